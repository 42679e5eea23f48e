//! Reading sorted sets.

use std::io::Read;

use data::packed::{Digits, Elem};
use data::types::zset::Growth;
use data::{Value, Zset};
use protocol::number::parse_f64;

use super::{DOUBLE, count};
use crate::Error;
use crate::input::Input;

const SCORE: Error = Error::Corrupt("a score is no number");

/// Members and scores by turns.
pub(super) fn plain<R: Read>(
    input: &mut Input<R>,
    growth: &Growth,
    score: impl Fn(&mut Input<R>) -> Result<f64, Error>,
) -> Result<Value, Error> {
    let mut zset = Zset::default();
    for _ in 0..count(input)? {
        let member = input.string()?;
        add(&mut zset, &member, score(input)?, growth)?;
    }
    Ok(Value::Zset(zset))
}

/// A score of the first form: a length and so many characters, or one of three special lengths.
pub(super) fn score_as_text<R: Read>(input: &mut Input<R>) -> Result<f64, Error> {
    match input.u8()? {
        253 => Ok(f64::NAN),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        length => parse_f64(&input.bytes(u64::from(length))?).ok_or(SCORE),
    }
}

/// Members and scores that were packed.
pub(super) fn packed(elems: &[Elem<'_>], growth: &Growth) -> Result<Value, Error> {
    const STRIDE: usize = 2;
    if elems.is_empty() {
        return Err(Error::Empty);
    }
    if !elems.len().is_multiple_of(STRIDE) {
        return Err(Error::Corrupt(
            "a packed sorted set has a member without a score",
        ));
    }
    let mut zset = Zset::default();
    for pair in elems.chunks_exact(STRIDE) {
        let score = match pair[1] {
            Elem::Int(int) => int as f64,
            Elem::Bytes(text) => parse_f64(text).ok_or(SCORE)?,
        };
        add(&mut zset, pair[0].text(&mut Digits::new()), score, growth)?;
    }
    Ok(Value::Zset(zset))
}

fn add(zset: &mut Zset, member: &[u8], score: f64, growth: &Growth) -> Result<(), Error> {
    if score.is_nan() {
        return Err(SCORE);
    }
    let mut is_new = true;
    zset.update(member, growth, |before| {
        is_new = before.is_none();
        Some(score)
    });
    if is_new { Ok(()) } else { Err(DOUBLE) }
}
