//! Which keys a script touches, learnt by watching runs of it: the host decides by that which locks
//! the next run takes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use commands::Args;

/// What a call gives its script: the arguments of EVAL, of which the first keys begin at the third.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    args: Args<'a>,
    key_count: usize,
}

/// Where EVAL's keys begin.
const FIRST_KEY: usize = 3;
/// Keys and arguments that are looked at; software with more has put what matters first.
const LOOKED_AT: usize = 16;
/// The longest text that is looked for in names of keys.
const LONGEST: usize = 256;

impl<'a> Given<'a> {
    /// The arguments of EVAL, EVALSHA or FCALL, `key_count` of which are keys.
    pub fn new(args: Args<'a>, key_count: usize) -> Self {
        Self { args, key_count }
    }

    /// The declared keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        self.args.from(FIRST_KEY).take(self.key_count)
    }

    /// The other arguments.
    pub fn args(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        self.args.from(FIRST_KEY + self.key_count)
    }

    /// Whether a key is declared.
    pub fn declares(&self, key: &[u8]) -> bool {
        self.keys().any(|declared| declared == key)
    }

    fn at(&self, place: Place) -> Option<&'a [u8]> {
        match place {
            Place::Key(at) => self.keys().nth(at),
            Place::Arg(at) => self.args().nth(at),
        }
    }

    fn places(&self) -> impl Iterator<Item = (Place, &'a [u8])> + use<'a> {
        let keys = self.keys().enumerate().take(LOOKED_AT);
        let args = self.args().enumerate().take(LOOKED_AT);
        keys.map(|(at, text)| (Place::Key(at), text))
            .chain(args.map(|(at, text)| (Place::Arg(at), text)))
            .filter(|(_, text)| (1..=LONGEST).contains(&text.len()))
    }
}

/// Which keys the runs of a script touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPattern {
    /// Those it declares.
    Declared,
    /// Beside these, such as begin alike.
    Alike(Beginning),
    /// Nobody knows.
    Any,
}

/// How the names of a script's undeclared keys begin: a text that is the same in all runs, then a
/// key or argument of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    text: Box<[u8]>,
    place: Place,
    /// Only as far as its last colon: `bull:mail:wait` tells that `bull:mail:7` may come.
    up_to_colon: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Key(usize),
    Arg(usize),
}

impl Beginning {
    /// How they begin in this run; `None` if the call doesn't give what it takes to tell.
    pub fn of(&self, given: Given<'_>) -> Option<Vec<u8>> {
        let text = given.at(self.place).filter(|text| !text.is_empty())?;
        let text = if self.up_to_colon {
            up_to_colon(text)?
        } else {
            text
        };
        Some([&self.text, text].concat())
    }

    /// The beginning that tells most of names that have `common` in common; rather one that is
    /// given as a whole than one with a text of its own.
    fn find(common: &[u8], given: Given<'_>) -> Option<Self> {
        let mut best: Option<(bool, usize, Self)> = None;
        let mut propose = |start: usize, len: usize, place, up_to_colon| {
            let text = common[..start].into();
            let known = best.as_ref().map(|(whole, end, _)| (*whole, *end));
            if known < Some((start == 0, start + len)) {
                let found = Self {
                    text,
                    place,
                    up_to_colon,
                };
                best = Some((start == 0, start + len, found));
            }
        };
        for (place, text) in given.places() {
            if let Some(start) = common.windows(text.len()).position(|part| part == text) {
                propose(start, text.len(), place, false);
            }
            if let Some(part) = up_to_colon(text).filter(|part| common.starts_with(part)) {
                propose(0, part.len(), place, true);
            }
        }
        best.map(|(_, _, found)| found)
    }
}

/// A text up to its last colon, with it; `None` if it has none.
pub fn up_to_colon(text: &[u8]) -> Option<&[u8]> {
    let at = text.iter().rposition(|&byte| byte == b':')?;
    Some(&text[..=at])
}

/// What a run shows of its script.
#[derive(Debug, Default)]
pub struct KeyWatch {
    /// What the undeclared keys begin with.
    common: Option<Vec<u8>>,
    any: bool,
}

impl KeyWatch {
    /// The run has touched an undeclared key, or keys that begin like this.
    pub fn touched(&mut self, key: &[u8]) {
        match &mut self.common {
            None => self.common = Some(key.to_vec()),
            Some(common) => {
                let same = common.iter().zip(key).take_while(|(a, b)| a == b).count();
                common.truncate(same);
            }
        }
    }

    /// It has looked at the whole keyspace.
    pub fn touched_all(&mut self) {
        self.any = true;
    }

    /// Whether it has touched what it had not declared.
    pub fn has_seen(&self) -> bool {
        self.any || self.common.is_some()
    }

    /// What that tells of the runs to come.
    pub fn pattern(&self, given: Given<'_>) -> KeyPattern {
        match &self.common {
            _ if self.any => KeyPattern::Any,
            None => KeyPattern::Declared,
            Some(common) => {
                Beginning::find(common, given).map_or(KeyPattern::Any, KeyPattern::Alike)
            }
        }
    }
}

/// What is known of a script's keys; all threads share it.
#[derive(Debug, Default)]
pub struct KeyNotes {
    /// One after the other, each because a run has broken the one before.
    patterns: [OnceLock<KeyPattern>; 3],
    is_any: AtomicBool,
}

impl KeyNotes {
    /// What is known; `None` before the first run has ended.
    pub fn pattern(&self) -> Option<&KeyPattern> {
        if self.is_any.load(Ordering::Relaxed) {
            return Some(&KeyPattern::Any);
        }
        self.patterns.iter().rev().find_map(OnceLock::get)
    }

    /// Notes what a run has shown.
    pub fn learn(&self, pattern: KeyPattern) {
        if self.pattern() == Some(&pattern) {
            return;
        }
        if pattern == KeyPattern::Any {
            self.give_up();
        } else if let Some(free) = self.patterns.iter().find(|known| known.get().is_none()) {
            // Another thread may have come first with what it saw; it will be as true.
            let _ = free.set(pattern);
        }
    }

    /// From now on nobody knows.
    pub fn give_up(&self) {
        self.is_any.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use commands::OwnedArgs;

    use super::*;

    fn watched(keys: &[&str], args: &[&str], touched: &[&str]) -> KeyPattern {
        with(keys, args, |given| {
            let mut watch = KeyWatch::default();
            for key in touched {
                watch.touched(key.as_bytes());
            }
            watch.pattern(given)
        })
    }

    fn with<T>(keys: &[&str], args: &[&str], work: impl FnOnce(Given<'_>) -> T) -> T {
        let all = ["EVAL", "text", "n"].iter().chain(keys).chain(args);
        let owned = OwnedArgs::new(all.map(|arg| arg.as_bytes()));
        work(Given::new(owned.borrow(), keys.len()))
    }

    /// How names begin in another run, by what was learnt.
    fn begins(pattern: &KeyPattern, keys: &[&str], args: &[&str]) -> Option<String> {
        let KeyPattern::Alike(beginning) = pattern else {
            panic!("{pattern:?}")
        };
        let name = with(keys, args, |given| beginning.of(given));
        name.map(|name| String::from_utf8(name).unwrap())
    }

    #[test]
    fn queues_are_told_by_their_declared_keys() {
        let keys = ["bull:a:wait", "bull:a:meta"];
        let pattern = watched(&keys, &["x", "17"], &["bull:a:17", "bull:a:17:logs"]);
        let found = begins(&pattern, &["bull:video:wait", "bull:video:meta"], &[]);
        assert_eq!(found.as_deref(), Some("bull:video:"));
        let one = watched(&keys, &["x", "17"], &["bull:a:17"]);
        assert_eq!(one, pattern, "an argument that happens to fit tells less");
    }

    #[test]
    fn names_are_told_by_arguments() {
        let pattern = watched(&[], &["q1"], &["q1:id", "q1:wait"]);
        assert_eq!(begins(&pattern, &[], &["q2"]).as_deref(), Some("q2"));
        let pattern = watched(&["z"], &["5", "q1"], &["queue:q1", "queue:q1:ids"]);
        let found = begins(&pattern, &["y"], &["6", "q2"]);
        assert_eq!(found.as_deref(), Some("queue:q2"));
        assert_eq!(begins(&pattern, &["y"], &[]), None);
        let pattern = watched(&["user:1"], &[], &["user:1:log"]);
        assert_eq!(
            begins(&pattern, &["user:2"], &[]).as_deref(),
            Some("user:2")
        );
    }

    #[test]
    fn what_cannot_be_told_is_any() {
        assert_eq!(watched(&["a"], &[], &[]), KeyPattern::Declared);
        assert_eq!(watched(&["a"], &["b"], &["x", "y"]), KeyPattern::Any);
        assert_eq!(watched(&[], &[""], &["x"]), KeyPattern::Any);
    }

    #[test]
    fn a_broken_pattern_gives_way_to_the_next() {
        let notes = KeyNotes::default();
        assert_eq!(notes.pattern(), None);
        notes.learn(KeyPattern::Declared);
        notes.learn(KeyPattern::Declared);
        let wider = watched(&["q:wait"], &[], &["q:1"]);
        notes.learn(wider.clone());
        assert_eq!(notes.pattern(), Some(&wider));
        notes.give_up();
        notes.learn(wider);
        assert_eq!(notes.pattern(), Some(&KeyPattern::Any));
    }
}
