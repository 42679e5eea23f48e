//! Whatever a client sends, and however the network cuts it up, the same requests come out.

use proptest::prelude::*;
use protocol::{Limits, Parsed, Parser, ProtocolError};

/// What a connection makes of a stream.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    commands: Vec<Vec<Vec<u8>>>,
    error: Option<ProtocolError>,
    unread: usize,
}

/// Plays a connection that receives the stream in pieces that end at the given places. A patient
/// one calls the parser only when there is as much as it wanted.
fn receive(stream: &[u8], ends: &[usize], patient: bool, limits: &Limits) -> Outcome {
    let mut outcome = Outcome::default();
    let mut parser = Parser::default();
    let (mut start, mut wanted) = (0, 1);
    for &end in ends.iter().chain([&stream.len()]) {
        while !patient || end - start >= wanted {
            let buf = &stream[start..end];
            let mut args = Vec::new();
            match parser.parse(buf, limits, &mut args) {
                Ok(Parsed::Command { consumed }) => {
                    assert!(consumed > 0 && !parser.is_mid_command());
                    let argv: Vec<_> = args.iter().map(|arg| arg.of(buf).to_vec()).collect();
                    outcome.commands.extend((!argv.is_empty()).then_some(argv));
                    start += consumed;
                    wanted = 1;
                }
                Ok(Parsed::Inline { consumed, argv }) => {
                    assert!(consumed > 0 && !argv.is_empty() && args.is_empty());
                    outcome.commands.push(argv);
                    start += consumed;
                    wanted = 1;
                }
                Ok(Parsed::Incomplete { wanted: total }) => {
                    assert!(total > buf.len() && args.is_empty());
                    assert_eq!(parser.is_mid_command(), !buf.is_empty());
                    wanted = total;
                    break;
                }
                Err(error) => {
                    assert!(args.is_empty() && !parser.is_mid_command());
                    return Outcome {
                        error: Some(error),
                        ..outcome
                    };
                }
            }
        }
    }
    outcome.unread = stream.len() - start;
    outcome
}

fn encode(commands: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for argv in commands {
        stream.extend_from_slice(format!("*{}\r\n", argv.len()).as_bytes());
        for arg in argv {
            stream.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            stream.extend_from_slice(arg);
            stream.extend_from_slice(b"\r\n");
        }
    }
    stream
}

fn command() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let arg = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..20),
        2 => prop::collection::vec(any::<u8>(), 90..110),
        1 => prop::collection::vec(any::<u8>(), 990..1010),
    ];
    prop_oneof![
        20 => prop::collection::vec(arg, 1..6),
        1 => prop::collection::vec(Just(b"x".to_vec()), 95..120),
    ]
}

/// Bytes that look like requests, mostly.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        10 => prop::sample::select(&[
            "*1\r\n", "*2\r\n", "*12\r\n", "$1\r\n", "$3\r\n", "$12\r\n", "$0\r\n", "\r\n", "\n",
            "\r", "*", "$", "-", "1", "0", "abc", "\0", " ", "\"", "'", "\\x41", "\\", "x",
            "*-1\r\n", "$-1\r\n", "$1234\r\n", "$4\rXabcd", "*1\r", "GET k\r\n", "*2147483648\r\n",
        ][..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// Sorted places to cut a stream of this length.
fn cuts(len: usize, indexes: &[prop::sample::Index]) -> Vec<usize> {
    let mut ends: Vec<usize> = indexes.iter().map(|index| index.index(len + 1)).collect();
    ends.sort_unstable();
    ends
}

fn all_ways(stream: &[u8], indexes: &[prop::sample::Index], limits: &Limits) -> Outcome {
    let whole = receive(stream, &[], false, limits);
    let ends = cuts(stream.len(), indexes);
    let byte_by_byte: Vec<usize> = (0..stream.len()).collect();
    for ends in [&ends, &byte_by_byte] {
        for patient in [false, true] {
            assert_eq!(receive(stream, ends, patient, limits), whole);
        }
    }
    whole
}

proptest! {
    #[test]
    fn commands_survive_any_cuts(
        commands in prop::collection::vec(command(), 0..8),
        indexes: [prop::sample::Index; 6],
    ) {
        let outcome = all_ways(&encode(&commands), &indexes, &Limits::default());
        prop_assert_eq!(outcome, Outcome { commands, ..Outcome::default() });
    }

    #[test]
    fn noise_means_the_same_in_any_cuts(stream in noise(), indexes: [prop::sample::Index; 6]) {
        all_ways(&stream, &indexes, &Limits::default());
        let tight = Limits { max_bulk_len: 10, unauthenticated: true, ..Limits::default() };
        all_ways(&stream, &indexes, &tight);
    }

    #[test]
    fn any_bytes_are_answered(stream: Vec<u8>, indexes: [prop::sample::Index; 6]) {
        all_ways(&stream, &indexes, &Limits::default());
    }

    #[test]
    fn damaged_commands_mean_the_same_in_any_cuts(
        commands in prop::collection::vec(command(), 1..4),
        damage: (prop::sample::Index, u8),
        indexes: [prop::sample::Index; 6],
    ) {
        let mut stream = encode(&commands);
        let (place, byte) = damage;
        let place = place.index(stream.len());
        stream[place] = byte;
        all_ways(&stream, &indexes, &Limits::default());
    }
}

/// Gives the first command of a stream up when `given` bytes of it are there, and passes over it in
/// pieces; returns where it ends.
fn pass_over(stream: &[u8], given: usize, ends: &[usize]) -> Option<usize> {
    let limits = Limits::default();
    let mut parser = Parser::default();
    let parsed = parser.parse(&stream[..given], &limits, &mut Vec::new());
    assert!(matches!(parsed, Ok(Parsed::Incomplete { .. })));
    let (mut start, mut skip) = parser.give_up()?;
    assert!(!parser.is_mid_command());
    for &end in ends.iter().chain([&stream.len()]) {
        if end >= start && !skip.is_done() {
            let passed = skip.pass(&stream[start..end], &limits);
            start += passed.expect("it is well-formed");
        }
    }
    skip.is_done().then_some(start)
}

proptest! {
    #[test]
    fn what_is_given_up_is_passed_over_to_its_end(
        first in command(),
        second in command(),
        given: prop::sample::Index,
        indexes: [prop::sample::Index; 6],
    ) {
        let end = encode(std::slice::from_ref(&first)).len();
        let stream = encode(&[first, second]);
        let header = stream.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        let given = given.index(end);
        let byte_by_byte: Vec<usize> = (0..stream.len()).collect();
        let expected = (given >= header).then_some(end);
        for ends in [&cuts(stream.len(), &indexes), &byte_by_byte] {
            prop_assert_eq!(pass_over(&stream, given, ends), expected);
        }
    }
}

#[test]
fn a_million_arguments_in_small_pieces() {
    let argv = vec![b"x".to_vec(); 1_000_000];
    let stream = encode(std::slice::from_ref(&argv));
    let ends: Vec<usize> = (0..stream.len()).step_by(1000).collect();
    let outcome = receive(&stream, &ends, false, &Limits::default());
    assert_eq!(outcome.commands, [argv]);
}

#[test]
fn a_long_line_in_single_bytes() {
    let stream = [&vec![b'x'; 64 * 1024][..], b"\n"].concat();
    let ends: Vec<usize> = (0..stream.len()).collect();
    let outcome = receive(&stream, &ends, false, &Limits::default());
    assert_eq!(outcome.commands, [[vec![b'x'; 64 * 1024]]]);
}
