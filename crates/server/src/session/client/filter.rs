//! Which clients CLIENT LIST and CLIENT KILL mean: `[NOT-]filter value ...`, all of which must
//! hold.

use std::mem::discriminant;
use std::sync::atomic::Ordering::Relaxed;

use commands::CommandError;
use protocol::number::parse_i64;

use crate::clients::{ClientInfo, ClientType, flag};
use crate::session::Call;
use crate::session::auth::DEFAULT_USER;

/// Letters that CLIENT LIST may show in `flags`, in Redis or Valkey.
const FLAG_LETTERS: &[u8] = b"OSMPxbtRBdcuAUreTIEiN";
/// Letters of capabilities.
const CAPA_LETTERS: &[u8] = b"r";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Filter {
    conditions: Vec<Condition>,
    /// Whether the client that asks is left out, if it said so.
    pub(super) skip_me: Option<bool>,
}

#[derive(Debug)]
struct Condition {
    test: Test,
    is_negated: bool,
}

#[derive(Debug)]
enum Test {
    Id(Vec<u64>),
    Kind(ClientType),
    /// There is but one user, and everyone is.
    DefaultUser,
    Addr(Vec<u8>),
    Laddr(Vec<u8>),
    Ip(Vec<u8>),
    Name(Vec<u8>),
    LibName(Vec<u8>),
    LibVer(Vec<u8>),
    Flags(Vec<u8>),
    Capa(Vec<u8>),
    Db(u32),
    MaxAge(u64),
    Idle(u64),
}

impl Filter {
    /// The clients of a peer's address.
    pub(super) fn by_addr(addr: &[u8]) -> Self {
        let mut filter = Self::default();
        filter.add(Test::Addr(addr.to_vec()), false);
        filter
    }

    /// The filters from argument 2 on; `bad_id` is the answer to an ID that is none.
    pub(super) fn parse(call: &Call<'_, '_>, bad_id: &'static str) -> Result<Self, CommandError> {
        let args = call.args;
        let mut filter = Self::default();
        let mut at = 2;
        while at < args.len() {
            let (word, value) = (args.at(at), args.get(at + 1).ok_or(CommandError::Syntax)?);
            at += 2;
            if word.eq_ignore_ascii_case(b"skipme") {
                filter.skip_me = Some(match &value.to_ascii_lowercase()[..] {
                    b"yes" => true,
                    b"no" => false,
                    _ => return Err(CommandError::Syntax),
                });
                continue;
            }
            let name = word.to_ascii_lowercase();
            let (name, is_negated) = name
                .strip_prefix(b"not-")
                .map_or((&name[..], false), |name| (name, true));
            let test = if name == b"id" {
                let mut ids = vec![id(value, bad_id)?];
                // As many as follow: what is no number is the next filter.
                while let Some(next) = args.get(at).filter(|next| parse_i64(next).is_some()) {
                    ids.push(id(next, bad_id)?);
                    at += 1;
                }
                Test::Id(ids)
            } else {
                Test::parse(call, name, value, is_negated)?
            };
            filter.add(test, is_negated);
        }
        Ok(filter)
    }

    /// Adds a condition; of two of a kind the later counts, but several lists of IDs are one.
    fn add(&mut self, mut test: Test, is_negated: bool) {
        let is_alike = |other: &&mut Condition| {
            other.is_negated == is_negated && discriminant(&other.test) == discriminant(&test)
        };
        let Some(other) = self.conditions.iter_mut().find(is_alike) else {
            self.conditions.push(Condition { test, is_negated });
            return;
        };
        if let (Test::Id(new), Test::Id(old)) = (&mut test, &mut other.test) {
            new.append(old);
        }
        other.test = test;
    }

    /// Whether a client is meant.
    pub(super) fn matches(&self, info: &ClientInfo, now_ms: u64) -> bool {
        self.conditions
            .iter()
            .all(|condition| condition.test.holds(info, now_ms) != condition.is_negated)
    }
}

impl Test {
    fn parse(
        call: &Call<'_, '_>,
        name: &[u8],
        value: &[u8],
        is_negated: bool,
    ) -> Result<Self, CommandError> {
        let quoted = |text: &str| {
            let value = String::from_utf8_lossy(value);
            Err(CommandError::Made(text.replace("{}", &value)))
        };
        Ok(match name {
            b"type" => match ClientType::parse(value) {
                Some(kind) => Self::Kind(kind),
                None => return quoted("ERR Unknown client type '{}'"),
            },
            b"user" if value == DEFAULT_USER.as_bytes() => Self::DefaultUser,
            b"user" => return quoted("ERR No such user '{}'"),
            b"addr" => Self::Addr(value.to_vec()),
            b"laddr" => Self::Laddr(value.to_vec()),
            b"ip" => Self::Ip(value.to_vec()),
            b"name" => Self::Name(value.to_vec()),
            b"lib-name" => Self::LibName(value.to_vec()),
            b"lib-ver" => Self::LibVer(value.to_vec()),
            b"flags" if value.iter().all(|letter| FLAG_LETTERS.contains(letter)) => {
                Self::Flags(value.to_vec())
            }
            b"flags" => return quoted("ERR Unknown flags found in the provided filter: {}"),
            b"capa" if value.iter().all(|letter| CAPA_LETTERS.contains(letter)) => {
                Self::Capa(value.to_vec())
            }
            b"capa" => return quoted("ERR Unknown capa found in the provided filter: {}"),
            b"db" => Self::Db(db(call, value)?),
            b"maxage" if !is_negated => Self::MaxAge(seconds("maxage", value)?),
            b"idle" if !is_negated => Self::Idle(seconds("idle", value)?),
            _ => return Err(CommandError::Syntax),
        })
    }

    fn holds(&self, info: &ClientInfo, now_ms: u64) -> bool {
        match self {
            Self::Id(ids) => ids.contains(&info.id),
            Self::Kind(kind) => info.kind() == *kind,
            Self::DefaultUser => true,
            Self::Addr(addr) => info.socket.addr.as_bytes() == &addr[..],
            Self::Laddr(laddr) => info.socket.laddr.as_bytes() == &laddr[..],
            Self::Ip(ip) => host(&info.socket.addr).as_bytes() == &ip[..],
            Self::Name(name) => is_given(&info.text().name, name),
            Self::LibName(name) => is_given(&info.text().lib_name, name),
            Self::LibVer(version) => is_given(&info.text().lib_ver, version),
            Self::Flags(wanted) => {
                let letters = info.flag_letters();
                wanted
                    .iter()
                    .all(|letter| letters.as_bytes().contains(letter))
            }
            Self::Capa(wanted) => wanted.is_empty() || info.has(flag::CAN_REDIRECT),
            Self::Db(db) => info.db.load(Relaxed) == *db,
            Self::MaxAge(seconds) => info.age(now_ms) >= *seconds,
            Self::Idle(seconds) => info.idle(now_ms) >= *seconds,
        }
    }
}

/// Whether a client has given itself this text: one that has given none has given no empty one.
fn is_given(text: &str, wanted: &[u8]) -> bool {
    !text.is_empty() && text.as_bytes() == wanted
}

/// The address without the port.
fn host(addr: &str) -> &str {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn id(text: &[u8], bad_id: &'static str) -> Result<u64, CommandError> {
    match parse_i64(text) {
        Some(id @ 1..) => Ok(id as u64),
        Some(_) => Err(CommandError::Text("ERR client-id should be greater than 0")),
        None => Err(CommandError::Text(bad_id)),
    }
}

fn seconds(name: &str, text: &[u8]) -> Result<u64, CommandError> {
    match parse_i64(text) {
        Some(seconds @ 1..) => Ok(seconds as u64),
        Some(_) => Err(CommandError::Made(format!(
            "ERR {name} should be greater than 0"
        ))),
        None => Err(CommandError::Made(format!(
            "ERR {name} is not an integer or out of range"
        ))),
    }
}

fn db(call: &Call<'_, '_>, text: &[u8]) -> Result<u32, CommandError> {
    let db = parse_i64(text).ok_or(CommandError::Text(
        "ERR DB is not an integer or out of range",
    ))?;
    let last = call.shared.store.dbnum() as i64 - 1;
    if !(0..=last).contains(&db) {
        return Err(CommandError::Made(format!(
            "ERR DB number should be between 0 and {last}"
        )));
    }
    Ok(db as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::SocketDescription;

    #[test]
    fn conditions_add_up() {
        let socket = SocketDescription {
            addr: "[::1]:4000".to_owned(),
            ..SocketDescription::default()
        };
        let info = ClientInfo::new(7, socket, (0, 0), 1_000);
        let mut filter = Filter::default();
        assert!(filter.matches(&info, 1_000));
        filter.add(Test::Ip(b"::1".to_vec()), false);
        filter.add(Test::Name(Vec::new()), true);
        filter.add(Test::Id(vec![1]), false);
        assert!(!filter.matches(&info, 1_000));
        filter.add(Test::Id(vec![7]), false);
        assert!(filter.matches(&info, 1_000));
        filter.add(Test::MaxAge(2), false);
        assert!(!filter.matches(&info, 2_999));
        assert!(filter.matches(&info, 3_000));
        filter.add(Test::Flags(b"N".to_vec()), true);
        assert!(!filter.matches(&info, 3_000));
    }
}
