//! Reading sorted sets.

use std::io::Read;

use data::packed::{Digits, Elem, Packed};
use data::types::zset::{Growth, compare, push_packed};
use data::{Kind, Value, Zset};
use protocol::number::parse_f64;

use super::{DOUBLE, count, has_doubles};
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
    let pairs = elems.chunks_exact(STRIDE);
    let pairs = pairs.map(|pair| Ok((pair[0], score_of(pair[1])?)));
    let pairs: Vec<(Elem<'_>, f64)> = pairs.collect::<Result<_, Error>>()?;
    let members = || elems.iter().step_by(STRIDE);
    let longest = members().map(|member| member.text_len()).max().unwrap_or(0);
    if growth.limits.admit(pairs.len(), longest) && pairs.is_sorted_by(is_before) {
        if has_doubles(members()) {
            return Err(DOUBLE);
        }
        let mut list = Packed::new();
        for &(member, score) in &pairs {
            push_packed(&mut list, member, score);
        }
        return Ok(Value::from_packed(Kind::Zset, list.into_bytes()));
    }
    let mut zset = Zset::default();
    for (member, score) in pairs {
        add(&mut zset, member.text(&mut Digits::new()), score, growth)?;
    }
    Ok(Value::Zset(zset))
}

fn score_of(elem: Elem<'_>) -> Result<f64, Error> {
    let score = match elem {
        Elem::Int(int) => int as f64,
        Elem::Bytes(text) => parse_f64(text).ok_or(SCORE)?,
    };
    // Adding 0 makes 0 of -0, which nobody tells from it.
    if score.is_nan() {
        Err(SCORE)
    } else {
        Ok(score + 0.0)
    }
}

fn is_before(a: &(Elem<'_>, f64), b: &(Elem<'_>, f64)) -> bool {
    let by_score = a.1.total_cmp(&b.1);
    by_score.is_lt() || by_score.is_eq() && compare(a.0, b.0.text(&mut Digits::new())).is_lt()
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
