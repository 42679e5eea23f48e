//! LOLWUT: a pond with darners over it, never the same one twice.

use commands::spec::{Group, flags};
use commands::{CommandError, Spec};
use protocol::Reply;

use super::plain;
use crate::identity::DARNER_VERSION;
use crate::session::{Call, Outcome, SessionCommand};

/// LOLWUT [VERSION version]
pub(super) const LOLWUT: SessionCommand = plain(
    Spec {
        arity: -1,
        flags: flags::READONLY | flags::FAST,
        group: Group::Server,
        since: "5.0.0",
        complexity: "",
        summary: "Displays computer art and the Darner version.",
        syntax: "[VERSION version]",
        ..Spec::new("lolwut")
    },
    lolwut,
);

const COLUMNS: usize = 64;
const ROWS: usize = 14;
const WATER: usize = 4;
const DARNERS: u64 = 5;

/// Four wings, a head with large eyes, a long tail.
const LEFTWARDS: [&str; 3] = ["  \\\\ ", "8=##----", "  // "];
const RIGHTWARDS: [&str; 3] = ["   //", "----##=8", "   \\\\"];

fn lolwut(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    if call.args.is(1, "version") && call.args.len() > 2 {
        // There is one picture only, whatever version is asked for.
        call.args.int(2)?;
    }
    let text = picture(call.thread.now.wall_us);
    reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

/// The picture that goes with a number.
fn picture(seed: u64) -> String {
    let mut state = seed;
    let mut random = |below: u64| {
        // An additive step and a mixing multiplication: enough for ponds.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        (mixed >> 33) % below
    };
    let mut canvas = vec![vec![' '; COLUMNS]; ROWS];
    for row in &mut canvas[ROWS - WATER..] {
        for cell in row.iter_mut() {
            *cell = ['~', '~', '-', ' ', ' '][random(5) as usize];
        }
    }
    for _ in 0..DARNERS {
        let shape = [LEFTWARDS, RIGHTWARDS][random(2) as usize];
        let top = random((ROWS - WATER - shape.len() + 1) as u64) as usize;
        let left = random((COLUMNS - shape[1].len()) as u64) as usize;
        for (row, line) in canvas[top..].iter_mut().zip(shape) {
            for (cell, ink) in row[left..].iter_mut().zip(line.chars()) {
                if ink != ' ' {
                    *cell = ink;
                }
            }
        }
    }
    let mut text = String::new();
    for row in canvas {
        text.push_str(row.into_iter().collect::<String>().trim_end());
        text.push('\n');
    }
    text + "\nDarner ver. " + DARNER_VERSION + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_to_their_frame() {
        for seed in 0..500 {
            let text = picture(seed);
            assert_eq!(text.lines().count(), ROWS + 2);
            assert!(text.lines().all(|line| line.len() <= COLUMNS));
            assert!(text.contains("##"));
        }
        assert_ne!(picture(1), picture(2));
    }
}
