//! The configuration at start. Later sources overrule earlier ones: the defaults, the
//! `redis.conf` named first on the command line, the environment, the rest of the command line
//! with the flag files it names.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};

use thiserror::Error;

pub use super::command_line::Question;

use super::codec::Rejected;
use super::config::{Config, find, flags, names, normal};
use super::table::Flag;
use super::{command_line, conf_file, environment};

/// What to do after the command line is read.
#[derive(Debug)]
pub enum Start {
    /// Run with this configuration.
    Run(Box<Loaded>),
    /// Print something and be done.
    Answer(Question),
}

/// The configuration and what else came with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The value of every flag.
    pub config: Config,
    /// Path of the `redis.conf`, for CONFIG REWRITE.
    pub conf_path: Option<String>,
    /// The rules of `user` lines, as ACL SETUSER takes them.
    pub acl_users: Vec<Vec<String>>,
    /// From `rename-command`: the old and the new name; no new name turns the command off.
    pub renamed_commands: Vec<(String, String)>,
    /// Whether `maxmemory` was given.
    pub has_memory_limit: bool,
    /// What `maxmemory` is as it wasn't given.
    pub default_limit: u64,
    /// What the administrator should hear of.
    pub warnings: Vec<String>,
}

/// Why there is no configuration. `Display` says it to the administrator.
#[derive(Debug, Error)]
pub enum LoadError {
    /// No flag has this name.
    #[error("{origin}: there is no flag '{name}'{}", did_you_mean(.name))]
    Unknown {
        /// Where it was named.
        origin: Origin,
        /// The name.
        name: String,
    },
    /// The value is none for this flag.
    #[error("{origin}: {name}: {why}")]
    Rejected {
        /// Where it was set.
        origin: Origin,
        /// The flag as it was named there.
        name: String,
        /// What is wrong with the value.
        why: Rejected,
    },
    /// A word that belongs to no flag.
    #[error("command line: unexpected '{0}'")]
    Unexpected(String),
    /// A quote in a `redis.conf` is not closed.
    #[error("{0}: a quote is not closed")]
    Quotes(Origin),
    /// Files include each other, or in far too many steps.
    #[error("{0}: files include each other")]
    IncludedTooDeep(Origin),
    /// A file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
}

impl LoadError {
    pub(super) fn file(path: &str, error: io::Error) -> Self {
        Self::File {
            path: path.to_string(),
            error,
        }
    }
}

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Among the program's arguments.
    CommandLine,
    /// In the flag file of this path.
    FlagFile(String),
    /// In a `redis.conf`, or a file that it includes.
    ConfFile {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// In the environment variable of this name.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::FlagFile(path) => f.write_str(path),
            Self::ConfFile { path, line } => write!(f, "{path}, line {line}"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
        }
    }
}

/// One flag or directive with its arguments, from anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) words: Vec<String>,
    pub(super) origin: Origin,
}

/// The files that a configuration may name.
pub trait Files {
    /// The text of a file; `-` is standard input.
    fn read(&self, path: &str) -> io::Result<String>;
    /// The names of the files in a folder.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
}

/// The machine's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFiles;

impl Files for RealFiles {
    fn read(&self, path: &str) -> io::Result<String> {
        let mut bytes = Vec::new();
        if path == "-" {
            io::stdin().read_to_end(&mut bytes)?;
        } else {
            bytes = std::fs::read(path)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(folder)?;
        let name = |entry: io::Result<std::fs::DirEntry>| {
            entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        entries.map(name).collect()
    }
}

/// Reads the configuration of this process.
pub fn load_from_process() -> Result<Start, LoadError> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let arguments: Vec<String> = std::env::args_os().skip(1).map(text).collect();
    let variables: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    load(&arguments, &variables, &RealFiles)
}

/// Reads the configuration: `arguments` are those after the program's name, `variables` the
/// environment.
pub fn load(
    arguments: &[String],
    variables: &[(String, String)],
    files: &dyn Files,
) -> Result<Start, LoadError> {
    let line = command_line::parse(arguments)?;
    if let Some(question) = line.question {
        return Ok(Start::Answer(question));
    }
    let mut loader = Loader {
        loaded: Loaded::default(),
        files,
        begun: Vec::new(),
    };
    if let Some(path) = &line.conf_path {
        let text = files
            .read(path)
            .map_err(|error| LoadError::file(path, error))?;
        loader.loaded.config = conf_file::defaults();
        loader.apply_all(conf_file::parse(path, &text, files)?)?;
        loader.loaded.conf_path = Some(path.clone()).filter(|path| path != "-");
    }
    let (settings, warnings) = environment::parse(variables);
    loader.loaded.warnings.extend(warnings);
    loader.apply_all(settings)?;
    loader.apply_all(line.settings)?;
    loader.warn_of_what_has_no_effect();
    Ok(Start::Run(Box::new(loader.loaded)))
}

struct Loader<'a> {
    loaded: Loaded,
    files: &'a dyn Files,
    /// Flags of which each further setting is an addition, on the command line to those of the
    /// redis.conf, as in Redis. A variable of the environment starts anew.
    begun: Vec<&'static Flag>,
}

impl Loader<'_> {
    fn apply_all(&mut self, settings: Vec<Setting>) -> Result<(), LoadError> {
        settings
            .into_iter()
            .try_for_each(|setting| self.apply(setting, 0))
    }

    fn apply(&mut self, setting: Setting, depth: usize) -> Result<(), LoadError> {
        let name = normal(&setting.name);
        let words = &setting.words;
        match name.as_str() {
            "flagfile" => self.apply_flag_files(setting, depth),
            "user" if words.len() > 1 => {
                self.loaded.acl_users.push(setting.words);
                Ok(())
            }
            "rename_command" => self.rename_command(setting),
            _ if RETIRED.contains(&name.as_str()) => {
                let warning = format!("{}: {} is ignored", setting.origin, setting.name);
                self.loaded.warnings.push(warning);
                Ok(())
            }
            _ => match find(&name) {
                Some(flag) => self.set(flag, setting),
                None => Err(LoadError::Unknown {
                    origin: setting.origin,
                    name: setting.name,
                }),
            },
        }
    }

    fn set(&mut self, flag: &'static Flag, setting: Setting) -> Result<(), LoadError> {
        let Setting {
            name,
            words,
            origin,
        } = setting;
        let mut text = match words.as_slice() {
            // A list without words is an empty one, as in Redis: `save` alone.
            [] if flag.takes_words => String::new(),
            [] => return Err(rejected(origin, name, "a value is missing")),
            [word] => word.clone(),
            words if flag.takes_words => words.join(" "),
            _ => return Err(rejected(origin, name, "wrong number of arguments")),
        };
        let is_variable = matches!(origin, Origin::Environment(_));
        let is_begun = !is_variable && self.begun.iter().any(|begun| std::ptr::eq(*begun, flag));
        if flag.accumulates && is_begun && !text.is_empty() {
            text = format!("{} {text}", flag.value(&self.loaded.config));
        }
        self.begun.push(flag);
        match (flag.set)(&mut self.loaded.config, &text) {
            Ok(()) => {
                self.loaded.has_memory_limit |= flag.name == "maxmemory";
                Ok(())
            }
            // `DFLY_maxmemory=` in a compose file means that nobody has filled it in.
            Err(why) if text.is_empty() && matches!(origin, Origin::Environment(_)) => {
                self.loaded
                    .warnings
                    .push(format!("{origin} is empty: {why}"));
                Ok(())
            }
            Err(why) => Err(LoadError::Rejected { origin, name, why }),
        }
    }

    fn warn_of_what_has_no_effect(&mut self) {
        let (config, defaults) = (&self.loaded.config, Config::default());
        let is_set = |flag: &&Flag| flag.value(config) != flag.value(&defaults);
        let names: Vec<&str> = flags()
            .filter(|flag| flag.is_inert)
            .filter(is_set)
            .map(Flag::preferred_name)
            .collect();
        if !names.is_empty() {
            let warning = format!("accepted, without effect yet: {}", names.join(", "));
            self.loaded.warnings.push(warning);
        }
    }

    fn apply_flag_files(&mut self, setting: Setting, depth: usize) -> Result<(), LoadError> {
        if depth > MAX_FLAG_FILES {
            return Err(LoadError::IncludedTooDeep(setting.origin));
        }
        for path in setting.words.iter().flat_map(|word| word.split(',')) {
            let text = self
                .files
                .read(path)
                .map_err(|error| LoadError::file(path, error))?;
            let lines = text.lines().map(str::trim);
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                self.apply(command_line::parse_flag_line(line, path), depth + 1)?;
            }
        }
        Ok(())
    }

    /// `rename-command OLD NEW` in a `redis.conf`, `--rename_command=OLD=NEW` on the command line.
    fn rename_command(&mut self, setting: Setting) -> Result<(), LoadError> {
        let renamed = match setting.words.as_slice() {
            [old, new] => Some((old.clone(), new.clone())),
            [both] => both
                .split_once('=')
                .map(|(old, new)| (old.to_string(), new.to_string())),
            _ => None,
        };
        let Some(renamed) = renamed else {
            return Err(rejected(
                setting.origin,
                setting.name,
                "wrong number of arguments",
            ));
        };
        self.loaded.renamed_commands.push(renamed);
        Ok(())
    }
}

const MAX_FLAG_FILES: usize = 16;

/// What Dragonfly or Redis once knew, or knows, and which is no reason not to start.
const RETIRED: &[&str] = &[
    "experimental_replicaof_v2",
    "list_experimental_zstd_dict_threshold",
    "loadmodule",
    "oom_deny_commands",
    "oom_deny_ratio",
    "shard_repl_backlog_len",
    "squash_stats_latency_lower_limit",
    "tiered_storage_write_depth",
];

fn rejected(origin: Origin, name: String, why: &'static str) -> LoadError {
    LoadError::Rejected {
        origin,
        name,
        why: Rejected::new(why),
    }
}

/// The end of an error about an unknown flag: the known one that is spelled most like it.
fn did_you_mean(unknown: &str) -> String {
    let unknown = normal(unknown);
    let candidates = flags()
        .flat_map(names)
        .map(|name| (distance(&unknown, &normal(name)), name));
    let (far, name) = candidates
        .min_by_key(|(far, _)| *far)
        .unwrap_or((usize::MAX, ""));
    if far <= 1 + unknown.len() / 4 {
        format!(". Did you mean '{name}'?")
    } else {
        ". See --helpfull for all of them.".to_string()
    }
}

/// How many letters have to be changed, added or left out to come from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::flags::special::SavePoint;
    use crate::flags::values::MaxmemoryPolicy;

    /// Files for tests.
    #[derive(Default)]
    pub(in crate::flags) struct FakeFiles(BTreeMap<String, String>);

    impl FakeFiles {
        pub(in crate::flags) fn new(files: &[(&str, &str)]) -> Self {
            let owned = |(path, text): &(&str, &str)| ((*path).to_string(), (*text).to_string());
            Self(files.iter().map(owned).collect())
        }
    }

    impl Files for FakeFiles {
        fn read(&self, path: &str) -> io::Result<String> {
            self.0
                .get(path)
                .cloned()
                .ok_or(io::ErrorKind::NotFound.into())
        }

        fn list(&self, folder: &str) -> io::Result<Vec<String>> {
            let in_folder = |path: &String| {
                path.strip_prefix(folder)?
                    .strip_prefix('/')
                    .map(str::to_string)
            };
            Ok(self.0.keys().filter_map(in_folder).collect())
        }
    }

    fn start(line: &str, variables: &[(&str, &str)], files: &FakeFiles) -> Result<Loaded, String> {
        let words = protocol::inline::split_args(line.as_bytes()).unwrap();
        let words: Vec<String> = words
            .into_iter()
            .map(|word| String::from_utf8(word).unwrap())
            .collect();
        let owned = |(name, value): &(&str, &str)| ((*name).to_string(), (*value).to_string());
        let variables: Vec<_> = variables.iter().map(owned).collect();
        match load(&words, &variables, files) {
            Ok(Start::Run(loaded)) => Ok(*loaded),
            Ok(Start::Answer(question)) => Err(format!("{question:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    fn from_line(line: &str) -> Result<Loaded, String> {
        start(line, &[], &FakeFiles::default())
    }

    #[test]
    fn later_sources_overrule() {
        let files = FakeFiles::new(&[
            (
                "redis.conf",
                "port 1\ntimeout 1\nmaxclients 1\ntcp-backlog 1\nhz 1",
            ),
            ("flags", "# comment\n--maxclients=3\ntcp_backlog=3\n"),
        ]);
        let variables = [
            ("DFLY_timeout", "2"),
            ("DFLY_maxclients", "2"),
            ("DFLY_hz", "2"),
        ];
        let line = "redis.conf --flagfile=flags --tcp-backlog 4";
        let Loaded {
            config,
            conf_path,
            warnings,
            ..
        } = start(line, &variables, &files).unwrap();
        let network = &config.network;
        let found = (
            network.port,
            network.timeout,
            network.maxclients,
            network.tcp_backlog,
        );
        assert_eq!(found, (1, 2, 3, 4));
        assert_eq!(config.process.hz, 2);
        assert_eq!(conf_path.as_deref(), Some("redis.conf"));
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn who_comes_from_redis_is_protected() {
        let files = FakeFiles::new(&[("a", "port 1"), ("b", "protected-mode no")]);
        let is_protected = |line: &str| {
            let loaded = start(line, &[], &files).unwrap();
            loaded.config.network.protected_mode
        };
        assert!(!is_protected(""));
        assert!(is_protected("a"));
        assert!(!is_protected("b"));
        assert!(!is_protected("a --protected-mode no"));
    }

    #[test]
    fn save_points_add_up() {
        let files = FakeFiles::new(&[("redis.conf", "save 900 1\nsave 300 10")]);
        let start = |line: &str, variables| start(line, variables, &files).unwrap();
        let points = |line: &str| start(line, &[]).config.persistence.save;
        let point = |seconds, changes| SavePoint { seconds, changes };
        assert_eq!(points("redis.conf"), [point(900, 1), point(300, 10)]);
        let all = [point(900, 1), point(300, 10), point(1, 2)];
        assert_eq!(points("redis.conf --save 1 2"), all);
        let loaded = start("redis.conf", &[("DFLY_save", "1 2")]);
        assert_eq!(loaded.config.persistence.save, [point(1, 2)]);
        assert_eq!(points("--save 1 2 --save 3 4"), [point(1, 2), point(3, 4)]);
        assert_eq!(points("--save 1 2 --save '' --save 3 4"), [point(3, 4)]);
        assert_eq!(points("redis.conf --save ''"), []);
        assert_eq!(points("redis.conf --save"), []);
    }

    #[test]
    fn directives_that_are_no_flags() {
        let text = "user alice on >pw ~*\nrename-command CONFIG \"\"\nuser bob off";
        let files = FakeFiles::new(&[("redis.conf", text)]);
        let loaded = start("redis.conf --rename_command=a=b --user nobody", &[], &files).unwrap();
        assert_eq!(loaded.acl_users[0], ["alice", "on", ">pw", "~*"]);
        assert_eq!(loaded.acl_users.len(), 2);
        let renamed = loaded
            .renamed_commands
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()));
        assert_eq!(renamed.collect::<Vec<_>>(), [("CONFIG", ""), ("a", "b")]);
        assert_eq!(loaded.config.process.user, "nobody");
        let warnings = from_line("--oom_deny_ratio=1.1").unwrap().warnings;
        assert_eq!(warnings, ["command line: oom_deny_ratio is ignored"]);
    }

    #[test]
    fn what_has_no_effect_is_said_once() {
        let line = "--uring_disable_iowait --daemonize --lazyfree-lazy-expire yes --dynamic-hz yes";
        let warnings = from_line(line).unwrap().warnings;
        let warning = "accepted, without effect yet: uring_disable_iowait, lazyfree-lazy-expire";
        assert_eq!(warnings, [warning]);
    }

    #[test]
    fn an_empty_variable_is_an_unset_one() {
        let variables = [("DFLY_maxmemory", ""), ("DFLY_dbfilename", "")];
        let loaded = start("", &variables, &FakeFiles::default()).unwrap();
        assert_eq!(loaded.config.memory.maxmemory, 0);
        assert_eq!(loaded.config.persistence.dbfilename, "");
        assert!(loaded.warnings[0].starts_with("environment variable DFLY_maxmemory is empty"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let why = |line: &str| from_line(line).unwrap_err();
        let meant = "command line: there is no flag 'maxmemroy'. Did you mean 'maxmemory'?";
        assert_eq!(why("--maxmemroy=1"), meant);
        assert!(why("--xyzzy").ends_with("See --helpfull for all of them."));
        let range = "command line: port: argument must be between -1 and 65535 inclusive";
        assert_eq!(why("--port=65536"), range);
        assert_eq!(why("--port"), "command line: port: a value is missing");
        assert_eq!(why("--port 1 2"), "command line: unexpected '2'");
        assert_eq!(why("--help"), "Help");
        assert!(why("none.conf").starts_with("none.conf: "));
        let files = FakeFiles::new(&[("f", "port 1\nport 1 2"), ("loop", "--flagfile=loop")]);
        let many = "f, line 2: port: wrong number of arguments";
        assert_eq!(start("f", &[], &files).unwrap_err(), many);
        assert_eq!(
            start("--flagfile=loop", &[], &files).unwrap_err(),
            "loop: files include each other"
        );
    }

    #[test]
    fn a_typical_deployment() {
        let line = "--alsologtostderr --primary_port_http_enabled=false --admin_port=9999 \
                    --admin_nopass --maxmemory=512Mi --proactor_threads=2 --cluster_mode=emulated \
                    --default_lua_flags=allow-undeclared-keys --maxmemory-policy allkeys-lru \
                    --bind 0.0.0.0 --dbfilename=dump --snapshot_cron '*/5 * * * *' --dir /data";
        let config = from_line(line).unwrap().config;
        assert_eq!(config.memory.maxmemory, 512 << 20);
        assert_eq!(config.memory.maxmemory_policy, MaxmemoryPolicy::AllKeysLru);
        assert_eq!(config.persistence.snapshot_cron, "*/5 * * * *");
        assert_eq!(config.network.bind, ["0.0.0.0"]);
        assert!(config.monitoring.admin_nopass);
    }
}
