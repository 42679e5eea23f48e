//! Reading a log of effects: commands in wire form, some of them between MULTI and EXEC.

/// A command with the database that was selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The database it applies to.
    pub db: usize,
    /// Command name and arguments.
    pub args: Vec<Vec<u8>>,
}

/// Reads a log piece by piece, each of which ends where a command does.
#[derive(Clone, Debug, Default)]
pub struct LogParser {
    db: Option<usize>,
    /// What has come since MULTI.
    open: Option<Vec<Effect>>,
}

impl LogParser {
    /// The transactions that end in this piece. Panics at what is no log.
    pub fn read(&mut self, bytes: &[u8]) -> Vec<Vec<Effect>> {
        let mut transactions = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let args = command(&mut rest);
            match &args[0][..] {
                b"SELECT" => self.db = Some(number(&args[1])),
                b"MULTI" => assert!(self.open.replace(Vec::new()).is_none(), "MULTI in MULTI"),
                b"EXEC" => transactions.push(self.open.take().expect("a MULTI before")),
                _ => {
                    let db = self.db.expect("a database is selected first");
                    let effect = Effect { db, args };
                    match &mut self.open {
                        Some(open) => open.push(effect),
                        None => transactions.push(vec![effect]),
                    }
                }
            }
        }
        transactions
    }
}

fn command(rest: &mut &[u8]) -> Vec<Vec<u8>> {
    let count = header(rest, b'*');
    let arg = |_| {
        let len = header(rest, b'$');
        let (arg, after) = rest.split_at(len);
        *rest = after.strip_prefix(b"\r\n").expect("a line ends");
        arg.to_vec()
    };
    (0..count).map(arg).collect()
}

fn header(rest: &mut &[u8], kind: u8) -> usize {
    let end = rest.iter().position(|&byte| byte == b'\r').expect("a line");
    let (line, after) = rest.split_at(end);
    assert_eq!(line[0], kind);
    *rest = after.strip_prefix(b"\r\n").expect("a line ends");
    number(&line[1..])
}

fn number(digits: &[u8]) -> usize {
    let text = std::str::from_utf8(digits).expect("digits");
    text.parse().expect("a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_transactions() {
        let mut parser = LogParser::default();
        let first =
            b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n*1\r\n$5\r\nMULTI\r\n";
        let effects = parser.read(first);
        let del = |key: &str| Effect {
            db: 3,
            args: vec![b"DEL".to_vec(), key.as_bytes().to_vec()],
        };
        assert_eq!(effects, [vec![del("a")]]);
        let second =
            b"*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n*2\r\n$3\r\nDEL\r\n$0\r\n\r\n*1\r\n$4\r\nEXEC\r\n";
        assert_eq!(parser.read(second), [vec![del("b"), del("")]]);
    }
}
