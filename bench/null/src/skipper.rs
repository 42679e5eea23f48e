//! Finds where a RESP command ends, reading every length and checking every terminator, and keeps
//! nothing else of it.

/// What is at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    /// A command of so many bytes.
    Complete(usize),
    Incomplete,
    Error,
}

const MAX_ARGS: usize = 1024 * 1024;
const MAX_BULK: usize = 512 * 1024 * 1024;

enum Line {
    /// Its number, and the index behind its terminator.
    Number(usize, usize),
    Incomplete,
    Error,
}

/// Looks at the command that `data` begins with: an array of bulk strings, or an inline line.
pub(crate) fn skip_command(data: &[u8]) -> Skip {
    let Some(&first) = data.first() else {
        return Skip::Incomplete;
    };
    if first != b'*' {
        return skip_inline(data);
    }
    let (args, mut at) = match number_line(data, 1, MAX_ARGS) {
        Line::Number(args, at) => (args, at),
        Line::Incomplete => return Skip::Incomplete,
        Line::Error => return Skip::Error,
    };
    for _ in 0..args {
        match data.get(at) {
            None => return Skip::Incomplete,
            Some(b'$') => {}
            Some(_) => return Skip::Error,
        }
        let (len, start) = match number_line(data, at + 1, MAX_BULK) {
            Line::Number(len, start) => (len, start),
            Line::Incomplete => return Skip::Incomplete,
            Line::Error => return Skip::Error,
        };
        let end = start + len;
        match data.get(end..end + 2) {
            None => return Skip::Incomplete,
            Some(b"\r\n") => at = end + 2,
            Some(_) => return Skip::Error,
        }
    }
    Skip::Complete(at)
}

/// Reads a number and its line's end, from `at`.
#[inline]
fn number_line(data: &[u8], mut at: usize, max: usize) -> Line {
    let start = at;
    let mut number = 0;
    while let Some(&byte) = data.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return match (byte, data.get(at + 1)) {
                (b'\r', None) => Line::Incomplete,
                (b'\r', Some(b'\n')) if at > start => Line::Number(number, at + 2),
                _ => Line::Error,
            };
        }
        number = number * 10 + usize::from(digit);
        if number > max {
            return Line::Error;
        }
        at += 1;
    }
    Line::Incomplete
}

fn skip_inline(data: &[u8]) -> Skip {
    match data.iter().position(|&byte| byte == b'\n') {
        Some(at) => Skip::Complete(at + 1),
        None => Skip::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_boundaries_at_every_cut() {
        let command = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n";
        for cut in 0..command.len() {
            assert_eq!(skip_command(&command[..cut]), Skip::Incomplete, "{cut}");
        }
        assert_eq!(skip_command(command), Skip::Complete(command.len()));
        let two = [command.as_slice(), b"PING\r\n"].concat();
        assert_eq!(skip_command(&two), Skip::Complete(command.len()));
        assert_eq!(skip_command(b"PING\r\nPI"), Skip::Complete(6));
        assert_eq!(skip_command(b"*0\r\n"), Skip::Complete(4));
    }

    #[test]
    fn refuses_what_is_not_a_command() {
        for bad in [
            b"*x\r\n".as_slice(),
            b"*\r\n",
            b"*1\n\n",
            b"*1\r\n:1\r\n",
            b"*1\r\n$-1\r\n",
            b"*1\r\n$2\r\nabc\r\n",
            b"*99999999999999999999\r\n",
            b"*1\r\n$999999999\r\n",
        ] {
            assert_eq!(
                skip_command(bad),
                Skip::Error,
                "{:?}",
                String::from_utf8_lossy(bad)
            );
        }
    }
}
