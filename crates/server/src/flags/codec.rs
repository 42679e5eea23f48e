//! How the value of a flag is read and shown. A codec is a small constant that stands in the
//! flag's entry: `Int(0, 65535)`, `Memory(1, MAX)`, `Yes`. What it says when it refuses a text are
//! Redis's words for CONFIG SET, which also serve the command line.

use std::borrow::Cow;
use std::fmt::Display;

use crate::cron::Cron;

/// Why a text is not a value for a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected(pub Cow<'static, str>);

impl Rejected {
    pub(super) const fn new(why: &'static str) -> Self {
        Self(Cow::Borrowed(why))
    }
}

impl Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// In whose spelling a value is shown: Redis has yes and no where Dragonfly has true and false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As `CONFIG GET` of Redis 7.0 shows it.
    Redis,
    /// As Dragonfly and the command line have it.
    Own,
}

/// Reads and shows the values of one kind.
pub(super) trait Codec<T> {
    /// Whether several words make one value, as in `save 900 1 300 10`.
    const WORDS: bool = false;

    /// Whether several lines of a file add up, as those of `save` do.
    const ACCUMULATES: bool = false;

    /// Reads a value; `current` is the one it replaces, of which it may be an amendment.
    fn parse(&self, text: &str, current: &T) -> Result<T, Rejected>;

    fn show(&self, value: &T, style: Style) -> String;

    /// What goes into the place of the value in `--help`.
    fn hint(&self) -> String;

    /// One configuration line each, where Redis writes the value as several.
    fn lines(&self, value: &T) -> Vec<String> {
        vec![self.show(value, Style::Redis)]
    }
}

/// A bool. `--flag` alone means yes, `--noflag` no.
pub(super) struct Yes;

impl Codec<bool> for Yes {
    fn parse(&self, text: &str, _: &bool) -> Result<bool, Rejected> {
        parse_bool(text).ok_or(Rejected::new("argument must be 'yes' or 'no'"))
    }

    fn show(&self, value: &bool, style: Style) -> String {
        let text = match (style, value) {
            (Style::Redis, true) => "yes",
            (Style::Redis, false) => "no",
            (Style::Own, true) => "true",
            (Style::Own, false) => "false",
        };
        text.to_string()
    }

    fn hint(&self) -> String {
        "yes|no".to_string()
    }
}

/// The words for yes and no that Redis, Abseil and shell users have.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "on" | "y" | "t" => Some(true),
        "no" | "false" | "0" | "off" | "n" | "f" => Some(false),
        _ => None,
    }
}

/// An integer in a range, for a field of any integer type that the range fits.
pub(super) struct Int(pub(super) i64, pub(super) i64);

pub(super) const U16: Int = Int(0, u16::MAX as i64);
pub(super) const U32: Int = Int(0, u32::MAX as i64);
pub(super) const I32: Int = Int(i32::MIN as i64, i32::MAX as i64);
/// What Redis calls an integer without a sign.
pub(super) const N31: Int = Int(0, i32::MAX as i64);
pub(super) const N63: Int = Int(0, i64::MAX);

fn not_within(min: impl Display, max: impl Display) -> Rejected {
    Rejected(format!("argument must be between {min} and {max} inclusive").into())
}

impl<T: TryFrom<i64> + Display> Codec<T> for Int {
    fn parse(&self, text: &str, _: &T) -> Result<T, Rejected> {
        let Self(min, max) = *self;
        let parsed = protocol::number::parse_i64(text.as_bytes());
        let value = parsed.ok_or(Rejected::new("argument couldn't be parsed into an integer"))?;
        let value = Some(value).filter(|value| (min..=max).contains(value));
        value
            .and_then(|value| T::try_from(value).ok())
            .ok_or_else(|| not_within(min, max))
    }

    fn show(&self, value: &T, _: Style) -> String {
        value.to_string()
    }

    fn hint(&self) -> String {
        "N".to_string()
    }
}

/// A fraction or ratio in a range.
pub(super) struct Float(pub(super) f64, pub(super) f64);

impl Codec<f64> for Float {
    fn parse(&self, text: &str, _: &f64) -> Result<f64, Rejected> {
        let Self(min, max) = *self;
        let parsed = protocol::number::parse_f64(text.as_bytes());
        let value = parsed.ok_or(Rejected::new("argument couldn't be parsed into a number"))?;
        if (min..=max).contains(&value) {
            Ok(value)
        } else {
            Err(not_within(min, max))
        }
    }

    fn show(&self, value: &f64, _: Style) -> String {
        protocol::number::format_double_shortest(*value).to_string()
    }

    fn hint(&self) -> String {
        "X".to_string()
    }
}

/// An amount of memory in a range, with or without a unit.
pub(super) struct Memory(pub(super) u64, pub(super) u64);

/// Redis's memory values end here, and where there is no limit, there.
pub(super) const I63: u64 = i64::MAX as u64;
pub(super) const ANY: Memory = Memory(0, u64::MAX);

impl Codec<u64> for Memory {
    fn parse(&self, text: &str, _: &u64) -> Result<u64, Rejected> {
        let Self(min, max) = *self;
        let value = parse_memory(text).ok_or(Rejected::new("argument must be a memory value"))?;
        if (min..=max).contains(&value) {
            Ok(value)
        } else {
            Err(not_within(min, max))
        }
    }

    fn show(&self, value: &u64, _: Style) -> String {
        value.to_string()
    }

    fn hint(&self) -> String {
        "SIZE".to_string()
    }
}

/// Reads `64`, `64mb` (2^20), `64m` (10^6, as in Redis), `64Mi` or `1.5gb` as bytes.
pub(super) fn parse_memory(text: &str) -> Option<u64> {
    let unit_start = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_start);
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        "kb" | "ki" | "kib" => 1 << 10,
        "mb" | "mi" | "mib" => 1 << 20,
        "gb" | "gi" | "gib" => 1 << 30,
        "tb" | "ti" | "tib" => 1 << 40,
        _ => return None,
    };
    let Some((whole, fraction)) = number.split_once('.') else {
        return parse_digits(number).map(|number| number.saturating_mul(unit));
    };
    let digits: String = fraction.chars().take(9).collect();
    let scale = 10_u64.pow(digits.len() as u32);
    let fraction = u128::from(parse_digits(&digits)?) * u128::from(unit) / u128::from(scale);
    Some(
        parse_digits(whole)?
            .saturating_mul(unit)
            .saturating_add(fraction as u64),
    )
}

/// Digits and nothing else; a number that is too large is as large as can be.
fn parse_digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Any text.
pub(super) struct Text;

impl Codec<String> for Text {
    fn parse(&self, text: &str, _: &String) -> Result<String, Rejected> {
        Ok(text.to_string())
    }

    fn show(&self, value: &String, _: Style) -> String {
        value.clone()
    }

    fn hint(&self) -> String {
        "TEXT".to_string()
    }
}

/// A text that a rule may refuse.
pub(super) struct Checked(
    pub(super) &'static str,
    pub(super) fn(&str) -> Result<(), Rejected>,
);

impl Codec<String> for Checked {
    fn parse(&self, text: &str, _: &String) -> Result<String, Rejected> {
        (self.1)(text).map(|()| text.to_string())
    }

    fn show(&self, value: &String, _: Style) -> String {
        value.clone()
    }

    fn hint(&self) -> String {
        self.0.to_string()
    }
}

pub(super) fn file_name(text: &str) -> Result<(), Rejected> {
    if text.contains('/') {
        return Err(Rejected::new("argument can't be a path, just a filename"));
    }
    Ok(())
}

pub(super) fn cron(text: &str) -> Result<(), Rejected> {
    if text.is_empty() || Cron::parse(text).is_some() {
        return Ok(());
    }
    Err(Rejected::new(
        "argument must be a cron expression of five fields, such as '*/30 * * * *'",
    ))
}

pub(super) fn host_name(text: &str) -> Result<(), Rejected> {
    if text.len() >= 256 {
        return Err(Rejected::new("Hostnames must be less than 256 characters"));
    }
    if text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    {
        return Ok(());
    }
    Err(Rejected::new(
        "Hostnames may only contain alphanumeric characters, hyphens or dots",
    ))
}

/// Words with blanks between them, as in `bind 127.0.0.1 ::1`.
pub(super) struct Words;

impl Codec<Vec<String>> for Words {
    const WORDS: bool = true;

    fn parse(&self, text: &str, _: &Vec<String>) -> Result<Vec<String>, Rejected> {
        Ok(text.split_whitespace().map(str::to_string).collect())
    }

    fn show(&self, value: &Vec<String>, _: Style) -> String {
        value.join(" ")
    }

    fn hint(&self) -> String {
        "WORD...".to_string()
    }
}

/// Items with commas between them, as Dragonfly has lists.
pub(super) struct List;

impl Codec<Vec<String>> for List {
    fn parse(&self, text: &str, _: &Vec<String>) -> Result<Vec<String>, Rejected> {
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        Ok(items.map(str::to_string).collect())
    }

    fn show(&self, value: &Vec<String>, _: Style) -> String {
        value.join(",")
    }

    fn hint(&self) -> String {
        "ITEM,...".to_string()
    }
}

/// File permissions in octal.
pub(super) struct Octal;

impl Codec<u32> for Octal {
    fn parse(&self, text: &str, _: &u32) -> Result<u32, Rejected> {
        let is_octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let parsed = if is_octal {
            u32::from_str_radix(text, 8).ok()
        } else {
            None
        };
        // Dragonfly's default is the empty text, which leaves the permissions alone.
        let parsed = if text.is_empty() { Some(0) } else { parsed };
        match parsed {
            Some(mode @ 0..=0o777) => Ok(mode),
            Some(_) => Err(not_within(0, 777)),
            None => Err(Rejected::new("argument couldn't be parsed into an integer")),
        }
    }

    fn show(&self, value: &u32, _: Style) -> String {
        format!("{value:o}")
    }

    fn hint(&self) -> String {
        "MODE".to_string()
    }
}

/// An enum whose variants have names.
pub(super) trait Named: Copy + PartialEq + 'static {
    const NAMES: &'static [(&'static str, Self)];

    fn named(text: &str) -> Option<Self> {
        let found = Self::NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, value)| *value)
    }

    fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, value)| *value == self)
            .map_or("", |(name, _)| name)
    }

    fn names(separator: &str) -> String {
        let names: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
        names.join(separator)
    }
}

fn not_one_of<T: Named>() -> Rejected {
    let names = T::names(", ");
    Rejected(format!("argument(s) must be one of the following: {names}").into())
}

/// One of an enum's variants. The first of two names for one is the one shown.
pub(super) struct OneOf;

impl<T: Named> Codec<T> for OneOf {
    fn parse(&self, text: &str, _: &T) -> Result<T, Rejected> {
        T::named(text).ok_or_else(not_one_of::<T>)
    }

    fn show(&self, value: &T, _: Style) -> String {
        value.name().to_string()
    }

    fn hint(&self) -> String {
        T::names("|")
    }
}

/// Any of an enum's variants; none of them has a name of its own.
pub(super) struct AnyOf(pub(super) &'static str);

impl<T: Named> Codec<Vec<T>> for AnyOf {
    const WORDS: bool = true;

    fn parse(&self, text: &str, _: &Vec<T>) -> Result<Vec<T>, Rejected> {
        let mut values = Vec::new();
        for word in text
            .split_whitespace()
            .filter(|word| !word.eq_ignore_ascii_case(self.0))
        {
            let Some(value) = T::named(word) else {
                let names = T::names(", ");
                let none = self.0;
                let why = format!("argument(s) must be one of the following: {none}, {names}");
                return Err(Rejected(why.into()));
            };
            if !values.contains(&value) {
                values.push(value);
            }
        }
        // Redis shows them in this order, however they were given.
        values.sort_by_key(|value| T::NAMES.iter().position(|(_, named)| named == value));
        Ok(values)
    }

    fn show(&self, value: &Vec<T>, _: Style) -> String {
        if value.is_empty() {
            return self.0.to_string();
        }
        let names: Vec<&str> = value.iter().map(|value| value.name()).collect();
        names.join(" ")
    }

    fn hint(&self) -> String {
        format!("{}|{}", self.0, T::names("|"))
    }
}

/// Declares an enum and the names of its variants.
macro_rules! named {
    (
        $(#[doc = $doc:literal])+
        $type:ident { $($variant:ident = $first:literal $(| $other:literal)*),+ $(,)? }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = concat!("`", $first, "`")] $variant),+
        }

        impl $crate::flags::codec::Named for $type {
            const NAMES: &'static [(&'static str, Self)] =
                &[$(($first, Self::$variant), $(($other, Self::$variant),)*)+];
        }
    };
}
pub(super) use named;

#[cfg(test)]
#[allow(unreachable_pub)] // the enum that `named!` makes is for the public elsewhere
mod tests {
    use super::*;

    #[test]
    fn memory() {
        let cases = [
            ("0", 0),
            ("64", 64),
            ("1b", 1),
            ("1k", 1000),
            ("1kb", 1024),
            ("1Mi", 1 << 20),
            ("2MB", 2 << 20),
            ("3m", 3_000_000),
            ("1.5gb", 3 << 29),
            ("1GiB", 1 << 30),
            ("1t", 1_000_000_000_000),
            ("99999999999999999999", u64::MAX),
            ("99999999999999gb", u64::MAX),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_memory(text), Some(bytes), "{text}");
        }
        for text in [
            "", "k", "-1", "1x", "1 k", "1.", ".5", "1.2.3", "kb1", "1e3",
        ] {
            assert_eq!(parse_memory(text), None, "{text}");
        }
    }

    #[test]
    fn integers() {
        let parse = |text: &str| Codec::<u16>::parse(&Int(1, 1000), text, &0);
        assert_eq!(parse("1000"), Ok(1000));
        let why = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(why("1001"), "argument must be between 1 and 1000 inclusive");
        assert_eq!(why("0"), "argument must be between 1 and 1000 inclusive");
        assert_eq!(why("1k"), "argument couldn't be parsed into an integer");
    }

    #[test]
    fn octal() {
        assert_eq!(Octal.parse("755", &0), Ok(0o755));
        assert_eq!(Octal.show(&0o700, Style::Redis), "700");
        assert_eq!(Octal.parse("", &0), Ok(0));
        assert!(Octal.parse("8", &0).is_err());
        assert!(Octal.parse("1777", &0).is_err());
    }

    named! {
        /// For the test.
        Fruit { Apple = "apple" | "pomme", Pear = "pear" }
    }

    #[test]
    fn names() {
        assert_eq!(OneOf.parse("POMME", &Fruit::Pear), Ok(Fruit::Apple));
        assert_eq!(OneOf.show(&Fruit::Apple, Style::Own), "apple");
        let many = AnyOf("none").parse("pear none apple pear", &vec![]);
        assert_eq!(many, Ok(vec![Fruit::Apple, Fruit::Pear]));
        assert_eq!(AnyOf("none").show(&Vec::<Fruit>::new(), Style::Own), "none");
        let why = AnyOf("none")
            .parse("fig", &Vec::<Fruit>::new())
            .unwrap_err();
        let expected = "argument(s) must be one of the following: none, apple, pomme, pear";
        assert_eq!(why.to_string(), expected);
    }
}
