//! The command line, in both families' ways at once:
//!
//! ```text
//! --maxmemory=4gb   --maxmemory 4gb   -maxmemory 4gb   --cache_mode   --nocache_mode   (Abseil)
//! /etc/redis.conf --save 900 1 300 10 --port 7000 --appendonly yes                     (Redis)
//! ```
//!
//! It is read by hand: of the libraries for this, lexopt comes closest, but it takes `-port` for
//! four flags of one letter, and knows nothing of words that go on until the next flag. What it
//! would save is the splitting at `=`.

use super::codec::parse_bool;
use super::conf_file;
use super::config::find;
use super::load::{LoadError, Origin, Setting};

/// The command line, taken apart.
#[derive(Debug, Default, PartialEq)]
pub(super) struct CommandLine {
    /// The configuration file, if the first argument is no flag; `-` for standard input.
    pub(super) conf_path: Option<String>,
    pub(super) settings: Vec<Setting>,
    /// Asked for instead of a start.
    pub(super) question: Option<Question>,
}

/// What the program is asked to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The flags that have an effect.
    Help,
    /// All flags.
    HelpFull,
    /// Name and version.
    Version,
}

/// Takes apart the arguments after the program's name.
pub(super) fn parse(arguments: &[String]) -> Result<CommandLine, LoadError> {
    let mut line = CommandLine::default();
    let mut rest = arguments;
    if let [first, others @ ..] = rest
        && (first == "-" || !first.starts_with('-'))
    {
        line.conf_path = Some(first.clone());
        rest = others;
    }
    while let [argument, others @ ..] = rest {
        rest = others;
        if let Some(question) = question(argument) {
            line.question = Some(question);
            continue;
        }
        let Some(name) = flag_name(argument) else {
            return Err(LoadError::Unexpected(argument.clone()));
        };
        if is_conf_line(name) {
            let split = conf_file::split_line(name);
            let split = split.map_err(|()| LoadError::Quotes(Origin::CommandLine))?;
            let (name, words) = split.unwrap_or_default();
            line.settings
                .push(setting(&name, words, Origin::CommandLine));
            continue;
        }
        let (name, words) = if let Some((name, value)) = name.split_once('=') {
            (name, vec![value.to_string()])
        } else {
            let (words, others) = rest.split_at(words_of(name, rest));
            rest = others;
            (name, words.to_vec())
        };
        line.settings
            .push(setting(name, words, Origin::CommandLine));
    }
    Ok(line)
}

/// Whether an argument is a flag with its value as a redis.conf has them, which Redis takes, too:
/// `"--maxmemory 1gb"`.
fn is_conf_line(name: &str) -> bool {
    let end = name.find(['=', ' ']);
    end.is_some_and(|end| name[end..].starts_with(' '))
}

/// One line of a flag file: `--name=value`, with or without the dashes.
pub(super) fn parse_flag_line(line: &str, path: &str) -> Setting {
    let name = line.trim_start_matches('-');
    let origin = Origin::FlagFile(path.to_string());
    match name.split_once('=') {
        Some((name, value)) => setting(name, vec![value.to_string()], origin),
        None => setting(name, Vec::new(), origin),
    }
}

/// Turns `noflag` into `flag` `no`, and `flag` into `flag` `yes`, where the flag is a bool.
fn setting(name: &str, mut words: Vec<String>, origin: Origin) -> Setting {
    let mut name = name.to_string();
    if words.is_empty() {
        match (find(&name), negated(&name)) {
            (Some(flag), _) if flag.is_bool => words.push("yes".to_string()),
            (None, Some(positive)) => {
                name = positive.to_string();
                words.push("no".to_string());
            }
            _ => {}
        }
    }
    Setting {
        name,
        words,
        origin,
    }
}

/// The flag that `noflag` turns off.
fn negated(name: &str) -> Option<&str> {
    let positive = name
        .strip_prefix("no")
        .or_else(|| name.strip_prefix("NO"))?;
    let positive = positive.strip_prefix(['-', '_']).unwrap_or(positive);
    find(positive)
        .is_some_and(|flag| flag.is_bool)
        .then_some(positive)
}

fn question(argument: &str) -> Option<Question> {
    match argument {
        "--help" | "-help" | "-h" | "--helpshort" => Some(Question::Help),
        "--helpfull" | "-helpfull" => Some(Question::HelpFull),
        "--version" | "-version" | "-v" => Some(Question::Version),
        _ => None,
    }
}

/// What follows the dashes, if this is a flag at all: `-1` and `-` are not.
fn flag_name(argument: &str) -> Option<&str> {
    if let Some(name) = argument.strip_prefix("--") {
        return Some(name).filter(|name| !name.is_empty());
    }
    let name = argument.strip_prefix('-')?;
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        .then_some(name)
}

/// Whether this argument begins another flag rather than being a value.
fn begins_flag(argument: &str) -> bool {
    if argument.starts_with("--") {
        return true;
    }
    let Some(name) = flag_name(argument) else {
        return false;
    };
    let name = name.split('=').next().unwrap_or_default();
    question(argument).is_some() || find(name).is_some() || negated(name).is_some()
}

/// How many of the arguments after a flag are its value.
fn words_of(name: &str, rest: &[String]) -> usize {
    let until_flag = rest
        .iter()
        .position(|word| begins_flag(word))
        .unwrap_or(rest.len());
    let Some(flag) = find(name) else {
        // Directives such as `rename-command` that are no flags, or a mistake to be reported.
        return if negated(name).is_some() {
            0
        } else {
            until_flag
        };
    };
    if flag.takes_words {
        return until_flag;
    }
    if flag.is_bool {
        return usize::from(rest.first().is_some_and(|word| parse_bool(word).is_some()));
    }
    until_flag.min(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<CommandLine, LoadError> {
        let arguments: Vec<String> = line.split(' ').map(str::to_string).collect();
        parse(if line.is_empty() { &[] } else { &arguments })
    }

    fn settings(line: &str) -> String {
        let parsed = parse_line(line).unwrap();
        let show = |setting: &Setting| format!("{}[{}]", setting.name, setting.words.join("|"));
        parsed
            .settings
            .iter()
            .map(show)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn abseil() {
        assert_eq!(
            settings("--maxmemory=4gb --port 7000"),
            "maxmemory[4gb] port[7000]"
        );
        assert_eq!(
            settings("-maxmemory=4gb -port 7000"),
            "maxmemory[4gb] port[7000]"
        );
        assert_eq!(settings("--cache_mode --tls"), "cache_mode[yes] tls[yes]");
        assert_eq!(
            settings("--nocache_mode --no-tls"),
            "cache_mode[no] tls[no]"
        );
        assert_eq!(settings("--cache-mode=false"), "cache-mode[false]");
        assert_eq!(settings("--port -1"), "port[-1]");
        assert_eq!(settings("--dbfilename="), "dbfilename[]");
        assert_eq!(settings("--requirepass=a=b"), "requirepass[a=b]");
        assert_eq!(settings("--requirepass -x9"), "requirepass[-x9]");
        assert_eq!(settings("--v=1 -v=2"), "v[1] v[2]");
    }

    #[test]
    fn redis() {
        let line = "--save 900 1 300 10 --bind 127.0.0.1 ::1 -port 1 --appendonly no --tls";
        let expected = "save[900|1|300|10] bind[127.0.0.1|::1] port[1] appendonly[no] tls[yes]";
        assert_eq!(settings(line), expected);
        assert_eq!(settings("--rename-command a b"), "rename-command[a|b]");
        assert_eq!(settings("--bind * -::* --port 1"), "bind[*|-::*] port[1]");
        assert_eq!(
            parse(&["--save".into(), String::new()]).unwrap().settings[0].words,
            [""]
        );
    }

    #[test]
    fn flag_and_value_in_one_argument() {
        let parsed = |argument: &str| {
            let parsed = parse(&[argument.to_string()]).unwrap();
            let Setting { name, words, .. } = &parsed.settings[0];
            format!("{name}[{}]", words.join("|"))
        };
        assert_eq!(parsed("--maxmemory 700mb"), "maxmemory[700mb]");
        assert_eq!(parsed("--save '900 1' 300 10"), "save[900 1|300|10]");
        assert_eq!(parsed("--requirepass=a b"), "requirepass[a b]");
        assert!(parse(&["--requirepass 'a".to_string()]).is_err());
    }

    #[test]
    fn conf_path_and_questions() {
        assert_eq!(parse_line("").unwrap(), CommandLine::default());
        let line = parse_line("/etc/redis.conf --port 1").unwrap();
        assert_eq!(line.conf_path.as_deref(), Some("/etc/redis.conf"));
        assert_eq!(parse_line("-").unwrap().conf_path.as_deref(), Some("-"));
        assert_eq!(parse_line("-v").unwrap().question, Some(Question::Version));
        assert_eq!(
            parse_line("--port 1 --help").unwrap().question,
            Some(Question::Help)
        );
        assert!(
            matches!(parse_line("--port 1 2"), Err(LoadError::Unexpected(word)) if word == "2")
        );
        assert!(matches!(
            parse_line("--tls maybe"),
            Err(LoadError::Unexpected(_))
        ));
        assert!(parse_line("--").is_err());
    }
}
