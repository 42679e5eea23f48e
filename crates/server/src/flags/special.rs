//! Values with a syntax of their own: save points, output buffer limits, event classes.

use store::EventClasses;

use super::codec::{Codec, List, Rejected, Style, parse_memory};

/// Save after `seconds` if at least `changes` keys have changed by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// How long to wait.
    pub seconds: u32,
    /// How many changes make a save worth while.
    pub changes: u32,
}

/// `save 3600 1 300 100`; empty for no saving.
pub(super) struct SavePoints;

impl Codec<Vec<SavePoint>> for SavePoints {
    const WORDS: bool = true;
    const ACCUMULATES: bool = true;

    fn parse(&self, text: &str, _: &Vec<SavePoint>) -> Result<Vec<SavePoint>, Rejected> {
        let rejected = Rejected::new("Invalid save parameters");
        let mut numbers = Vec::new();
        for word in text.split_whitespace() {
            let number = protocol::number::parse_i64(word.as_bytes());
            let number = number.filter(|number| (0..=i64::from(i32::MAX)).contains(number));
            numbers.push(number.ok_or(rejected.clone())? as u32);
        }
        let (points, rest) = numbers.as_chunks::<2>();
        if !rest.is_empty() || points.iter().any(|[seconds, _]| *seconds == 0) {
            return Err(rejected);
        }
        Ok(points
            .iter()
            .map(|&[seconds, changes]| SavePoint { seconds, changes })
            .collect())
    }

    fn show(&self, value: &Vec<SavePoint>, _: Style) -> String {
        self.lines(value).join(" ")
    }

    fn hint(&self) -> String {
        "SECONDS CHANGES...".to_string()
    }

    fn lines(&self, value: &Vec<SavePoint>) -> Vec<String> {
        if value.is_empty() {
            return vec![String::new()];
        }
        value
            .iter()
            .map(|point| format!("{} {}", point.seconds, point.changes))
            .collect()
    }
}

/// Lets scripts touch keys that they don't declare.
pub const ALLOW_UNDECLARED_KEYS: &str = "allow-undeclared-keys";

/// `allow-undeclared-keys,disable-atomicity`. Only the first has an effect: scripts are atomic at
/// no cost to others, and floats are Redis's.
pub(super) struct ScriptFlags;

impl Codec<Vec<String>> for ScriptFlags {
    fn parse(&self, text: &str, current: &Vec<String>) -> Result<Vec<String>, Rejected> {
        let flags = List.parse(text, current)?;
        let known = [ALLOW_UNDECLARED_KEYS, "disable-atomicity", "legacy-float"];
        if !flags.iter().all(|flag| known.contains(&flag.as_str())) {
            return Err(Rejected::new("Invalid script flags"));
        }
        Ok(flags)
    }

    fn show(&self, value: &Vec<String>, style: Style) -> String {
        List.show(value, style)
    }

    fn hint(&self) -> String {
        "FLAG,...".to_string()
    }
}

/// How much may wait to be sent to a client before it is disconnected; 0 for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputBufferLimit {
    /// Disconnect at once at this many bytes.
    pub hard: u64,
    /// Disconnect at this many bytes if it stays like that.
    pub soft: u64,
    /// How long it has to stay like that.
    pub soft_seconds: u32,
}

/// The limits of the three classes of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputBufferLimits {
    /// Clients with requests of their own.
    pub normal: OutputBufferLimit,
    /// Replicas.
    pub replica: OutputBufferLimit,
    /// Subscribers of channels.
    pub pubsub: OutputBufferLimit,
}

impl OutputBufferLimits {
    pub(super) const fn redis() -> Self {
        const fn limit(hard: u64, soft: u64, soft_seconds: u32) -> OutputBufferLimit {
            OutputBufferLimit {
                hard,
                soft,
                soft_seconds,
            }
        }
        Self {
            normal: limit(0, 0, 0),
            replica: limit(256 << 20, 64 << 20, 60),
            pubsub: limit(32 << 20, 8 << 20, 60),
        }
    }
}

/// `normal 0 0 0 replica 256mb 64mb 60`: classes that are not named keep their limits.
pub(super) struct BufferLimits;

impl Codec<OutputBufferLimits> for BufferLimits {
    const WORDS: bool = true;

    fn parse(
        &self,
        text: &str,
        current: &OutputBufferLimits,
    ) -> Result<OutputBufferLimits, Rejected> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (classes, rest) = words.as_chunks::<4>();
        if !rest.is_empty() {
            const WHY: &str = "Wrong number of arguments in buffer limit configuration.";
            return Err(Rejected::new(WHY));
        }
        let mut limits = *current;
        for [class, hard, soft, seconds] in classes {
            let limit = match class.to_ascii_lowercase().as_str() {
                "normal" => &mut limits.normal,
                "replica" | "slave" => &mut limits.replica,
                "pubsub" => &mut limits.pubsub,
                _ => {
                    const WHY: &str =
                        "Invalid client class specified in buffer limit configuration.";
                    return Err(Rejected::new(WHY));
                }
            };
            let parsed = (
                parse_memory(hard),
                parse_memory(soft),
                seconds.parse::<u32>(),
            );
            let (Some(hard), Some(soft), Ok(soft_seconds)) = parsed else {
                const WHY: &str =
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
                return Err(Rejected::new(WHY));
            };
            *limit = OutputBufferLimit {
                hard,
                soft,
                soft_seconds,
            };
        }
        Ok(limits)
    }

    fn show(&self, value: &OutputBufferLimits, _: Style) -> String {
        self.lines(value).join(" ")
    }

    fn hint(&self) -> String {
        "CLASS HARD SOFT SECONDS...".to_string()
    }

    fn lines(&self, value: &OutputBufferLimits) -> Vec<String> {
        let classes = [
            ("normal", value.normal),
            ("slave", value.replica),
            ("pubsub", value.pubsub),
        ];
        let line = |(
            class,
            OutputBufferLimit {
                hard,
                soft,
                soft_seconds,
            },
        )| { format!("{class} {hard} {soft} {soft_seconds}") };
        classes.map(line).to_vec()
    }
}

/// `KEA`, `Ex` and the like.
pub(super) struct EventLetters;

impl Codec<EventClasses> for EventLetters {
    fn parse(&self, text: &str, _: &EventClasses) -> Result<EventClasses, Rejected> {
        const WHY: &str = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
        let mut classes = EventClasses::default();
        for letter in text.bytes() {
            classes = classes.and(match letter {
                b'A' => EventClasses::ALL,
                letter => EventClasses::named(letter).ok_or(Rejected::new(WHY))?,
            });
        }
        Ok(classes)
    }

    fn show(&self, value: &EventClasses, _: Style) -> String {
        value.letters()
    }

    fn hint(&self) -> String {
        "Ag$lshzxeKEtmdn".to_string()
    }
}

/// An amount of memory, or a share of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryShare {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths.
    Percent(u8),
}

impl MemoryShare {
    /// How many bytes that is of a whole.
    pub(crate) fn of(self, whole: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => (u128::from(whole) * u128::from(percent) / 100) as u64,
        }
    }
}

/// `1gb` or `5%`.
pub(super) struct Share;

impl Codec<MemoryShare> for Share {
    fn parse(&self, text: &str, _: &MemoryShare) -> Result<MemoryShare, Rejected> {
        const WHY: &str = "argument must be a memory or percent value";
        let Some(percent) = text.strip_suffix('%') else {
            return parse_memory(text)
                .map(MemoryShare::Bytes)
                .ok_or(Rejected::new(WHY));
        };
        match protocol::number::parse_i64(percent.as_bytes()) {
            Some(percent @ 0..=100) => Ok(MemoryShare::Percent(percent as u8)),
            Some(101..) => Err(Rejected::new(
                "percentage argument must be less or equal to 100",
            )),
            _ => Err(Rejected::new(WHY)),
        }
    }

    fn show(&self, value: &MemoryShare, _: Style) -> String {
        match value {
            MemoryShare::Bytes(bytes) => bytes.to_string(),
            MemoryShare::Percent(percent) => format!("{percent}%"),
        }
    }

    fn hint(&self) -> String {
        "SIZE|N%".to_string()
    }
}

/// `50 99 99.9`.
pub(super) struct Percentiles;

impl Codec<Vec<f64>> for Percentiles {
    const WORDS: bool = true;

    fn parse(&self, text: &str, _: &Vec<f64>) -> Result<Vec<f64>, Rejected> {
        let mut percentiles = Vec::new();
        for word in text.split_whitespace() {
            const WHY: &str = "Invalid latency-tracking-info-percentiles parameters";
            let percentile = protocol::number::parse_f64(word.as_bytes());
            let percentile = percentile.ok_or(Rejected::new(WHY))?;
            if !(0.0..=100.0).contains(&percentile) {
                const WHY: &str = "latency-tracking-info-percentiles parameters should sit \
                                   between [0.0,100.0]";
                return Err(Rejected::new(WHY));
            }
            percentiles.push(percentile);
        }
        Ok(percentiles)
    }

    fn show(&self, value: &Vec<f64>, _: Style) -> String {
        let texts: Vec<String> = value
            .iter()
            .map(|value| protocol::number::format_double_shortest(*value).to_string())
            .collect();
        texts.join(" ")
    }

    fn hint(&self) -> String {
        "X...".to_string()
    }
}

/// The three `oom-score-adj-values`: for a master, a replica and a child process.
pub(super) struct OomScores;

impl Codec<[i32; 3]> for OomScores {
    const WORDS: bool = true;

    fn parse(&self, text: &str, _: &[i32; 3]) -> Result<[i32; 3], Rejected> {
        const WHY: &str = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
        let words: Vec<&str> = text.split_whitespace().collect();
        let words: [&str; 3] = words
            .try_into()
            .map_err(|_| Rejected::new("wrong number of arguments"))?;
        let mut scores = [0; 3];
        for (score, word) in scores.iter_mut().zip(words) {
            let parsed = protocol::number::parse_i64(word.as_bytes());
            let parsed = parsed.filter(|parsed| (-2000..=2000).contains(parsed));
            *score = parsed.ok_or(Rejected::new(WHY))? as i32;
        }
        Ok(scores)
    }

    fn show(&self, value: &[i32; 3], _: Style) -> String {
        value.map(|score| score.to_string()).join(" ")
    }

    fn hint(&self) -> String {
        "N N N".to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn save_points() {
        let parse = |text: &str| SavePoints.parse(text, &vec![]);
        let points = parse("3600 1  300 100").unwrap();
        assert_eq!(
            points[1],
            SavePoint {
                seconds: 300,
                changes: 100
            }
        );
        assert_eq!(SavePoints.show(&points, Style::Redis), "3600 1 300 100");
        assert_eq!(SavePoints.lines(&points), ["3600 1", "300 100"]);
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(SavePoints.lines(&vec![]), [""]);
        for text in ["100", "100 1 200", "0 1", "10 -1", "a b"] {
            assert_eq!(
                parse(text).unwrap_err().to_string(),
                "Invalid save parameters",
                "{text}"
            );
        }
    }

    #[test]
    fn buffer_limits() {
        let redis = OutputBufferLimits::redis();
        let shown = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
        assert_eq!(BufferLimits.show(&redis, Style::Redis), shown);
        let limits = BufferLimits
            .parse("replica 1gb 2 5 normal 1kb 2mb 3", &redis)
            .unwrap();
        let shown = "normal 1024 2097152 3 slave 1073741824 2 5 pubsub 33554432 8388608 60";
        assert_eq!(BufferLimits.show(&limits, Style::Redis), shown);
        let why = |text: &str| BufferLimits.parse(text, &redis).unwrap_err().to_string();
        assert!(why("normal 1 2").starts_with("Wrong number of arguments"));
        assert!(why("master 1 2 3").starts_with("Invalid client class"));
        assert!(why("normal 1 2 -3").starts_with("Error in hard"));
        assert!(why("normal x 2 3").starts_with("Error in hard"));
    }

    #[test]
    fn event_classes_as_redis_shows_them() {
        let cases = [
            ("KEA", "AKE"),
            ("n", "n"),
            ("Kn", "nK"),
            ("EAm", "AEm"),
            ("mEKg$lshzxetd", "AKEm"),
            ("KEg$", "g$KE"),
            ("nAKEm", "AnKEm"),
            ("", ""),
        ];
        for (text, shown) in cases {
            let classes = EventLetters.parse(text, &EventClasses::default()).unwrap();
            assert_eq!(EventLetters.show(&classes, Style::Redis), shown, "{text}");
        }
        assert!(EventLetters.parse("Q", &EventClasses::default()).is_err());
    }

    #[test]
    fn shares() {
        let parse = |text: &str| Share.parse(text, &MemoryShare::Bytes(0));
        assert_eq!(parse("5%"), Ok(MemoryShare::Percent(5)));
        assert_eq!(parse("1kb"), Ok(MemoryShare::Bytes(1024)));
        assert_eq!(Share.show(&MemoryShare::Percent(5), Style::Redis), "5%");
        assert_eq!(MemoryShare::Percent(50).of(u64::MAX), u64::MAX / 2);
        assert_eq!(MemoryShare::Bytes(7).of(100), 7);
        let why = parse("105%").unwrap_err().to_string();
        assert_eq!(why, "percentage argument must be less or equal to 100");
        assert!(parse("-5").is_err());
    }

    #[test]
    fn numbers() {
        let percentiles = Percentiles.parse("50.5 99.99 100", &vec![]).unwrap();
        assert_eq!(
            Percentiles.show(&percentiles, Style::Redis),
            "50.5 99.99 100"
        );
        assert!(Percentiles.parse("101", &vec![]).is_err());
        assert_eq!(OomScores.parse("3 2 1", &[0; 3]), Ok([3, 2, 1]));
        assert!(OomScores.parse("1 2", &[0; 3]).is_err());
        assert!(OomScores.parse("1 2 3000", &[0; 3]).is_err());
    }
}
