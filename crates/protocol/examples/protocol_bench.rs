//! How long the parser takes per command and the writer per reply:
//! `cargo run --release -p protocol --example protocol_bench`.
//! Prints the best of many short runs, which a busy machine disturbs least.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use protocol::number::{parse_f64, parse_long_double};
use protocol::{Arg, Limits, Parsed, Parser, Reply};

const COMMANDS: usize = 64;

fn main() {
    let key = "key:000000000042";
    let value = "v".repeat(16);
    let long = "v".repeat(1024);
    parse("SET 16 16", &pipeline(&["SET", key, &value]));
    parse("SET 16 1024", &pipeline(&["SET", key, &long]));
    parse("GET 16", &pipeline(&["GET", key]));
    parse("PING", &pipeline(&["PING"]));
    parse("MSET 10", &pipeline(&["MSET"; 21]));
    parse("inline PING", &b"PING\r\n".repeat(COMMANDS));
    reply("ok", |reply, _| reply.ok());
    reply("int 0..=9", |reply, i| reply.int((i % 10) as i64));
    reply("int 12345678", |reply, i| reply.int(12_345_678 + i as i64));
    reply("bulk 16", |reply, _| reply.bulk(value.as_bytes()));
    reply("bulk 1024", |reply, _| reply.bulk(long.as_bytes()));
    reply("null", |reply, _| reply.null());
    reply("double 1.5", |reply, i| reply.double(i as f64 + 0.5));
    reply("double 0.1", |reply, i| reply.double(i as f64 + 0.1));
    let texts = [&b"12.5"[..], b"0.1"];
    best("parse_f64", || {
        for i in 0..COMMANDS {
            black_box(parse_f64(black_box(texts[i % 2])));
        }
    });
    best("INCRBYFLOAT", || {
        for _ in 0..COMMANDS {
            let [a, b] = black_box(texts).map(parse_long_double);
            let sum = a.zip(b).map(|(a, b)| (a + b).to_string());
            black_box(sum);
        }
    });
}

fn pipeline(argv: &[&str]) -> Vec<u8> {
    let bulks = argv
        .iter()
        .map(|arg| format!("${}\r\n{arg}\r\n", arg.len()));
    let command = format!("*{}\r\n{}", argv.len(), bulks.collect::<String>());
    command.repeat(COMMANDS).into_bytes()
}

fn parse(name: &str, buf: &[u8]) {
    let limits = Limits::default();
    let mut parser = Parser::default();
    let mut args: Vec<Arg> = Vec::new();
    best(name, || {
        let mut rest = black_box(buf);
        while let Ok(Parsed::Command { consumed }) = parser.parse(rest, &limits, &mut args) {
            black_box(args.as_slice());
            args.clear();
            rest = &rest[consumed..];
        }
        assert!(rest.is_empty());
    });
}

fn reply(name: &str, write: impl Fn(&mut Reply, usize)) {
    let mut out = Vec::with_capacity(1 << 20);
    best(name, || {
        out.clear();
        let mut reply = Reply::new(&mut out, black_box(false));
        for i in 0..COMMANDS {
            write(&mut reply, black_box(i));
        }
        black_box(out.as_slice());
    });
}

/// Prints the nanoseconds of one of the 64 commands or replies of a batch.
fn best(name: &str, mut batch: impl FnMut()) {
    const BATCHES: u32 = 200;
    let mut least = f64::MAX;
    for _ in 0..500 {
        let start = Instant::now();
        for _ in 0..BATCHES {
            batch();
        }
        let nanos = start.elapsed().as_nanos() as f64;
        least = least.min(nanos / f64::from(BATCHES) / COMMANDS as f64);
    }
    println!("{name:16} {least:7.2} ns");
}
