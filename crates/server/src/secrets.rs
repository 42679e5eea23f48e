//! Which arguments nobody but the server may see: passwords, in MONITOR and the slow log.

use commands::Args;
use smallvec::SmallVec;

use crate::flags;
use crate::table::Entry;

/// What is shown in the place of a secret.
pub const REDACTED: &[u8] = b"(redacted)";

/// The numbers of a command's secret arguments.
pub fn secret_args(entry: &Entry, args: Args<'_>) -> SmallVec<[usize; 4]> {
    match &entry.full_name[..] {
        "auth" => (1..args.len()).collect(),
        "migrate" => secrets_of_migrate(args),
        "hello" => secrets_of_hello(args),
        "config|set" => (3..args.len())
            .step_by(2)
            .filter(|&at| is_secret_flag(args.at(at - 1)))
            .collect(),
        _ => SmallVec::new(),
    }
}

/// As far as its options are well-formed: what follows isn't looked at by the command either.
fn secrets_of_hello(args: Args<'_>) -> SmallVec<[usize; 4]> {
    let mut secrets = SmallVec::new();
    let mut at = 2;
    while at + 1 < args.len() {
        if args.is(at, "auth") && at + 2 < args.len() {
            secrets.extend([at + 1, at + 2]);
            at += 3;
        } else if args.is(at, "setname") {
            at += 2;
        } else {
            break;
        }
    }
    secrets
}

/// As far as its options are known.
fn secrets_of_migrate(args: Args<'_>) -> SmallVec<[usize; 4]> {
    let mut secrets = SmallVec::new();
    let mut at = 6;
    while at < args.len() && !args.is(at, "keys") {
        let count = if args.is(at, "auth2") {
            2
        } else {
            usize::from(args.is(at, "auth"))
        };
        secrets.extend((at + 1..=at + count).filter(|&at| at < args.len()));
        at += 1 + count;
    }
    secrets
}

fn is_secret_flag(name: &[u8]) -> bool {
    std::str::from_utf8(name)
        .ok()
        .and_then(flags::config::find)
        .is_some_and(|flag| flag.is_secret)
}

#[cfg(test)]
mod tests {
    use commands::OwnedArgs;

    use super::*;
    use crate::table::Table;

    #[test]
    fn passwords_are_secret() {
        let table = Table::new();
        let secrets = |line: &str| {
            let args = OwnedArgs::new(line.split(' '));
            let entry = table.find(args.borrow().at(0)).unwrap();
            secret_args(entry, args.borrow()).to_vec()
        };
        assert_eq!(secrets("AUTH password"), [1]);
        assert_eq!(secrets("auth user password"), [1, 2]);
        assert_eq!(secrets("hello 3 setname auth auth user password"), [5, 6]);
        assert_eq!(secrets("hello 3 auth user"), [0; 0]);
        assert_eq!(secrets("migrate h 1 k 0 1 copy auth p"), [8]);
        assert_eq!(secrets("migrate h 1 k 0 1 auth2 auth p replace"), [7, 8]);
        assert_eq!(secrets("migrate h 1 k 0 1 keys auth b"), [0; 0]);
        assert_eq!(secrets("hello"), [0; 0]);
        assert_eq!(secrets("echo auth"), [0; 0]);
    }
}
