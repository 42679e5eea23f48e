//! Requests: no bytes may panic, and a stream cut in two means what it means whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{Limits, Parsed, Parser, ProtocolError};

type Outcome = (Vec<Vec<Vec<u8>>>, Result<usize, ProtocolError>);

fuzz_target!(|input: (u16, bool, Vec<u8>)| {
    let (cut, unauthenticated, stream) = input;
    let limits = Limits { unauthenticated, max_bulk_len: 5000, ..Limits::default() };
    let cut = usize::from(cut) % (stream.len() + 1);
    let whole = receive(&stream, &[stream.len()], &limits);
    assert_eq!(receive(&stream, &[cut, stream.len()], &limits), whole);
});

fn receive(stream: &[u8], ends: &[usize], limits: &Limits) -> Outcome {
    let (mut parser, mut commands, mut start) = (Parser::default(), Vec::new(), 0);
    for &end in ends {
        loop {
            let (buf, mut args) = (&stream[start..end], Vec::new());
            match parser.parse(buf, limits, &mut args) {
                Ok(Parsed::Command { consumed }) => {
                    commands.push(args.iter().map(|arg| arg.of(buf).to_vec()).collect());
                    start += consumed;
                }
                Ok(Parsed::Inline { consumed, argv }) => {
                    commands.push(argv);
                    start += consumed;
                }
                Ok(Parsed::Incomplete { wanted }) => {
                    assert!(wanted > buf.len());
                    break;
                }
                Err(error) => return (commands, Err(error)),
            }
        }
    }
    (commands, Ok(start))
}
