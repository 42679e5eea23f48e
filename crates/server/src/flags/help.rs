//! What `--help` and `--version` print.

use std::fmt::Write;

use super::codec::Style;
use super::config::{Config, TOPICS};
use super::load::Question;
use super::table::{Flag, Mutable};

/// Columns of a terminal that everybody has.
const WIDTH: usize = 80;
const INDENT: &str = "      ";

const USAGE: &str = "\
Usage: darner [/path/to/redis.conf | -] [--flag=value | --flag value | --flag | --noflag]...

Dashes and underscores in names are the same. Flags are also taken from the environment
(DFLY_flag or DARNER_flag), from --flagfile=PATH with a --flag=value to each line, and by their
names in Redis from the redis.conf. Flags marked with * may be changed at run time, too, with
CONFIG SET. A SIZE is in bytes, or has a unit: 1kb is 1024, 1k is 1000, 1Mi and 1.5gb are fine.
";

/// The answer to a question.
pub fn answer(question: Question) -> String {
    match question {
        Question::Version => format!("darner {}\n", env!("CARGO_PKG_VERSION")),
        Question::Help => {
            let rest = "\n--helpfull lists the flags without effect, too.\n";
            help(|flag| !flag.is_inert) + rest
        }
        Question::HelpFull => help(|_| true),
    }
}

fn help(is_shown: impl Fn(&Flag) -> bool) -> String {
    let config = Config::default();
    let mut text = USAGE.to_string();
    for topic in TOPICS {
        let mut flags = topic.flags.iter().filter(|flag| is_shown(flag)).peekable();
        if flags.peek().is_some() {
            text = text + "\n" + topic.title + ":\n";
        }
        for flag in flags {
            push_flag(&mut text, flag, &config);
        }
    }
    text
}

fn push_flag(text: &mut String, flag: &Flag, defaults: &Config) {
    let value = if flag.is_bool {
        String::new()
    } else {
        format!("={}", (flag.hint)())
    };
    let star = if flag.mutable == Mutable::AtStart {
        ""
    } else {
        " *"
    };
    let default = match (flag.get)(defaults, Style::Own) {
        default if default.is_empty() => "empty".to_string(),
        default => default,
    };
    let mut words = flag.doc();
    let other_names: Vec<&str> = flag
        .redis
        .iter()
        .copied()
        .filter(|name| name.replace('-', "_") != flag.name)
        .collect();
    if !other_names.is_empty() {
        words = format!("{words} In Redis: {}.", other_names.join(", "));
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  --{}{value}{star}", flag.name);
    push_wrapped(text, &format!("{words} Default: {default}."));
}

fn push_wrapped(text: &mut String, words: &str) {
    let mut line = String::new();
    for word in words.split(' ') {
        if !line.is_empty() && INDENT.len() + line.len() + 1 + word.len() > WIDTH {
            *text = std::mem::take(text) + INDENT + &line + "\n";
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    *text = std::mem::take(text) + INDENT + &line + "\n";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_full() {
        let (short, full) = (answer(Question::Help), answer(Question::HelpFull));
        assert!(short.contains("\nNetwork and connections:\n  --port=N *\n"));
        assert!(short.contains("  --maxmemory=SIZE *\n"));
        assert!(short.contains("In Redis: databases. Default: 16."));
        assert!(short.len() < full.len());
        assert!(!short.contains("--pipeline_squash="));
        assert!(full.contains("--pipeline_squash="));
        for line in full.lines().skip(USAGE.lines().count()) {
            assert!(line.len() <= WIDTH || !line.starts_with(INDENT), "{line}");
        }
    }

    #[test]
    fn version() {
        assert!(answer(Question::Version).starts_with("darner 0."));
    }
}
