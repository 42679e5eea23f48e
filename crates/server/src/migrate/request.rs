//! What MIGRATE was asked for.

use std::time::Duration;

use commands::{Args, CommandError, OwnedArgs};

/// The timeout where none was given.
const TIMEOUT_MS: u64 = 1000;

/// See the module.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) db: i64,
    /// For each time that the target is waited for.
    pub(super) timeout: Duration,
    pub(super) copies: bool,
    pub(super) replaces: bool,
    /// A password, or a user and a password.
    pub(super) auth: Vec<Vec<u8>>,
    pub(super) keys: Keys,
}

/// The keys that are to go.
#[derive(Debug)]
pub(super) struct Keys(OwnedArgs);

impl Keys {
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.borrow().iter()
    }
}

impl Request {
    pub(super) fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let (mut copies, mut replaces, mut auth) = (false, false, Vec::new());
        let mut keys = args.from(3).take(1).collect::<Vec<_>>();
        let mut at = 6;
        while at < args.len() {
            let left = args.len() - at - 1;
            let words = if args.is(at, "AUTH2") { 2 } else { 1 };
            if args.is(at, "COPY") {
                copies = true;
            } else if args.is(at, "REPLACE") {
                replaces = true;
            } else if (args.is(at, "AUTH") || args.is(at, "AUTH2")) && left >= words {
                auth = args.from(at + 1).take(words).map(<[u8]>::to_vec).collect();
                at += words;
            } else if args.is(at, "KEYS") {
                if !args.at(3).is_empty() {
                    return Err(CommandError::Text(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the \
                         empty string",
                    ));
                }
                keys = args.from(at + 1).collect();
                break;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        let timeout_ms = u64::try_from(args.int(5)?).unwrap_or(0);
        let db = args.int(4)?;
        let port = u16::try_from(args.int(2)?).map_err(|_| CommandError::NotInteger)?;
        Ok(Self {
            host: String::from_utf8_lossy(args.at(1)).into_owned(),
            port,
            db,
            timeout: Duration::from_millis(if timeout_ms == 0 {
                TIMEOUT_MS
            } else {
                timeout_ms
            }),
            copies,
            replaces,
            auth,
            keys: Keys(OwnedArgs::new(keys)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, CommandError> {
        let words = line
            .split(' ')
            .map(|word| if word == "-" { "" } else { word });
        Request::parse(OwnedArgs::new(words).borrow())
    }

    #[test]
    fn options_are_taken_in_any_order() {
        let request = parse("MIGRATE h 7 - 9 0 AUTH2 keys p REPLACE copy KEYS a KEYS b").unwrap();
        assert_eq!((&*request.host, request.port, request.db), ("h", 7, 9));
        assert_eq!(request.timeout, Duration::from_secs(1));
        assert!(request.copies && request.replaces);
        assert_eq!(request.auth, [b"keys".to_vec(), b"p".to_vec()]);
        let keys: Vec<_> = request.keys.iter().collect();
        assert_eq!(keys, [&b"a"[..], b"KEYS", b"b"]);
        let request = parse("MIGRATE h 7 a 9 20 AUTH p").unwrap();
        assert_eq!(request.keys.iter().collect::<Vec<_>>(), [b"a"]);
        assert_eq!(request.timeout, Duration::from_millis(20));
    }

    #[test]
    fn mistakes_are_told_in_redis_s_words() {
        let not_integer = "ERR value is not an integer or out of range";
        for (line, error) in [
            ("MIGRATE h 7 a 9 20 AUTH", "ERR syntax error"),
            ("MIGRATE h 7 a 9 20 AUTH2 p", "ERR syntax error"),
            ("MIGRATE h 7 a 9 20 MOVE", "ERR syntax error"),
            (
                "MIGRATE h 7 a 9 20 KEYS b",
                "ERR When using MIGRATE KEYS option, the key argument must be set to the empty \
                 string",
            ),
            ("MIGRATE h 7 a 9 x", not_integer),
            ("MIGRATE h 7 a x 20", not_integer),
            ("MIGRATE h 70000 a 9 20", not_integer),
        ] {
            assert_eq!(parse(line).expect_err(line).text(), error, "{line}");
        }
    }
}
