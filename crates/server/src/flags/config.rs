//! The configuration with its typed fields, and CONFIG GET and CONFIG SET on it.
//!
//! Names are compared without regard to case, and `-`, `_` and `.` are the same. A flag that
//! Redis has, too, is listed by its Redis names, with values in Redis's spelling; by its own name
//! it is found by whoever asks for that.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use thiserror::Error;

use super::codec::{Rejected, Style};
use super::table::{Flag, Mutable, Topic};
use super::topics::cluster::Cluster;
use super::topics::data::Data;
use super::topics::debugging::Debugging;
use super::topics::memory::MemoryFlags;
use super::topics::monitoring::Monitoring;
use super::topics::network::Network;
use super::topics::persistence::Persistence;
use super::topics::pipeline::Pipeline;
use super::topics::process::Process;
use super::topics::replication::Replication;
use super::topics::scripting::Scripting;
use super::topics::search::Search;
use super::topics::security::Security;
use super::topics::tiering::Tiering;
use super::values::AllowedFor;

/// The value of every flag.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Ports, sockets and client connections.
    pub network: Network,
    /// Threads, and the process as such.
    pub process: Process,
    /// Memory, eviction and lazy freeing.
    pub memory: MemoryFlags,
    /// Encodings of values, and limits of commands on them.
    pub data: Data,
    /// Snapshots, the append-only file, and where they lie.
    pub persistence: Persistence,
    /// Masters and replicas.
    pub replication: Replication,
    /// Cluster mode and the moving of slots.
    pub cluster: Cluster,
    /// Lua scripts and functions.
    pub scripting: Scripting,
    /// Passwords, access rules, TLS, and commands that are off.
    pub security: Security,
    /// The admin port, HTTP, slow log, latency and log files.
    pub monitoring: Monitoring,
    /// How requests that arrive together are run.
    pub pipeline: Pipeline,
    /// Values on an SSD.
    pub tiering: Tiering,
    /// Search indexes.
    pub search: Search,
    /// For those who work on the server.
    pub debugging: Debugging,
}

/// The table: all flags by topic, in the order of `--help`.
pub static TOPICS: &[Topic] = &[
    Network::TOPIC,
    Process::TOPIC,
    MemoryFlags::TOPIC,
    Data::TOPIC,
    Persistence::TOPIC,
    Replication::TOPIC,
    Cluster::TOPIC,
    Scripting::TOPIC,
    Security::TOPIC,
    Monitoring::TOPIC,
    Pipeline::TOPIC,
    Tiering::TOPIC,
    Search::TOPIC,
    Debugging::TOPIC,
];

/// All flags.
pub fn flags() -> impl Iterator<Item = &'static Flag> {
    TOPICS.iter().flat_map(|topic| topic.flags)
}

/// The flag with this name, its own or one that it has in Redis.
pub fn find(name: &str) -> Option<&'static Flag> {
    static BY_NAME: LazyLock<HashMap<String, &'static Flag>> = LazyLock::new(|| {
        let named = |flag: &'static Flag| names(flag).map(move |name| (normal(name), flag));
        flags().flat_map(named).collect()
    });
    BY_NAME.get(&normal(name)).copied()
}

/// All names of a flag.
pub(super) fn names(flag: &Flag) -> impl Iterator<Item = &'static str> + use<> {
    std::iter::once(flag.name).chain(flag.redis.iter().copied())
}

pub(super) fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '.'], "_")
}

/// Why CONFIG SET refused. `Display` is the whole error reply.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// No flag has this name.
    #[error("ERR Unknown option or number of arguments for CONFIG SET - '{0}'")]
    Unknown(String),
    /// The flag can only be set at start.
    #[error("{}", failed(.0, "can't set immutable config"))]
    Immutable(String),
    /// The flag is protected.
    #[error("{}", failed(.0, "can't set protected config"))]
    Protected(String),
    /// The same flag is named twice.
    #[error("{}", failed(.0, "duplicate parameter"))]
    Duplicate(String),
    /// The value is none for this flag.
    #[error("{}", failed(.name, &.why.0))]
    Rejected {
        /// The flag, as the client named it.
        name: String,
        /// What is wrong with the value.
        why: Rejected,
    },
}

impl ConfigError {
    /// The value is none for this flag, for a reason that shows only when it is put to use.
    pub(crate) fn rejected(name: &str, why: &'static str) -> Self {
        Self::Rejected {
            name: name.to_string(),
            why: Rejected::new(why),
        }
    }
}

fn failed(name: &str, why: &str) -> String {
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}")
}

impl Config {
    /// What CONFIG GET answers to a pattern: names and values, ordered by name.
    pub fn get(&self, pattern: &str) -> Vec<(String, String)> {
        if !pattern.contains(['*', '?', '[', '\\']) {
            return self.get_exactly(pattern).into_iter().collect();
        }
        let fits = |name: &str| protocol::glob::matches(pattern.as_bytes(), name.as_bytes(), true);
        let mut found = BTreeMap::new();
        for flag in flags().filter(|flag| !flag.is_hidden) {
            let mut redis_names = flag.redis.iter().filter(|name| fits(name)).peekable();
            if redis_names.peek().is_none() && fits(flag.name) {
                found.insert(flag.name, (flag.get)(self, Style::Own));
            }
            for name in redis_names {
                found.insert(name, (flag.get)(self, Style::Redis));
            }
        }
        found
            .into_iter()
            .map(|(name, value)| (name.to_string(), value))
            .collect()
    }

    /// The flag of this name, which is answered as it was asked for.
    fn get_exactly(&self, name: &str) -> Option<(String, String)> {
        let flag = find(name)?;
        let is_redis = flag
            .redis
            .iter()
            .any(|redis| redis.eq_ignore_ascii_case(name));
        let style = if is_redis { Style::Redis } else { Style::Own };
        Some((name.to_string(), (flag.get)(self, style)))
    }

    /// What CONFIG SET does: all of the pairs or, on an error, none. Returns the flags whose
    /// values are others now, for those who have to act on that. Some flags may be set only by
    /// clients on this machine.
    pub fn set(
        &mut self,
        pairs: &[(&str, &str)],
        client_is_local: bool,
    ) -> Result<Vec<&'static Flag>, ConfigError> {
        // As in Redis, a name that does not exist comes before all other complaints.
        if let Some((name, _)) = pairs.iter().find(|(name, _)| find(name).is_none()) {
            return Err(ConfigError::Unknown((*name).to_string()));
        }
        let mut settings: Vec<(&'static Flag, &str, &str)> = Vec::new();
        for &(name, value) in pairs {
            let Some(flag) = find(name) else { continue };
            self.check_mutable(flag, name, client_is_local)?;
            if settings
                .iter()
                .any(|(other, ..)| std::ptr::eq(*other, flag))
            {
                return Err(ConfigError::Duplicate(name.to_string()));
            }
            settings.push((flag, name, value));
        }
        let mut changed = self.clone();
        for (flag, name, value) in &settings {
            let set = (flag.set)(&mut changed, value);
            set.map_err(|why| ConfigError::Rejected {
                name: (*name).to_string(),
                why,
            })?;
        }
        let before = std::mem::replace(self, changed);
        let flags = settings.into_iter().map(|(flag, ..)| flag);
        Ok(flags
            .filter(|flag| flag.value(&before) != flag.value(self))
            .collect())
    }

    fn check_mutable(
        &self,
        flag: &Flag,
        name: &str,
        client_is_local: bool,
    ) -> Result<(), ConfigError> {
        let may_change_protected = match self.security.enable_protected_configs {
            AllowedFor::No => false,
            AllowedFor::Yes => true,
            AllowedFor::Local => client_is_local,
        };
        match flag.mutable {
            Mutable::AtRunTime => Ok(()),
            Mutable::IfUnprotected if may_change_protected => Ok(()),
            Mutable::IfUnprotected => Err(ConfigError::Protected(name.to_string())),
            Mutable::AtStart => Err(ConfigError::Immutable(name.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_name_is_one_flags_own() {
        let mut seen: HashMap<String, &Flag> = HashMap::new();
        for flag in flags() {
            for name in names(flag) {
                if let Some(other) = seen.insert(normal(name), flag) {
                    assert!(
                        std::ptr::eq(other, flag),
                        "{name}: {} and {}",
                        other.name,
                        flag.name
                    );
                }
            }
        }
    }

    #[test]
    fn every_flag_is_documented_and_takes_its_own_value() {
        let config = Config::default();
        for flag in flags() {
            assert!(flag.doc().ends_with(['.', ')']), "{}", flag.name);
            assert!(
                flag.doc().starts_with(|c: char| !c.is_lowercase()),
                "{}",
                flag.name
            );
            let mut again = config.clone();
            let value = flag.value(&config);
            (flag.set)(&mut again, &value).unwrap_or_else(|why| panic!("{}: {why}", flag.name));
            assert_eq!(again, config, "{}", flag.name);
        }
    }

    #[test]
    fn get_in_both_namings() {
        let config = Config::default();
        let get = |pattern: &str| {
            let found = config.get(pattern);
            let pairs = found.iter().map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(get("maxmemory"), "maxmemory=0");
        assert_eq!(get("save"), "save=3600 1 300 100 60 10000");
        assert_eq!(get("APPENDONLY"), "APPENDONLY=no");
        assert_eq!(get("lazyfree-lazy-expire"), "lazyfree-lazy-expire=no");
        assert_eq!(get("lazyfree_lazy_expire"), "lazyfree_lazy_expire=false");
        assert_eq!(get("cache_mode"), "cache_mode=false");
        assert_eq!(get("cache-mode"), "cache-mode=false");
        assert_eq!(get("databases"), "databases=16");
        assert_eq!(get("dbnum"), "dbnum=16");
        assert_eq!(get("*priority"), "replica-priority=100 slave-priority=100");
        assert_eq!(get("proactor_t*"), "proactor_threads=0");
        assert_eq!(get("tcp_k*"), "tcp_keepalive=300");
        assert_eq!(get("tcp-k*"), "tcp-keepalive=300");
        assert_eq!(get("key-load-d*"), "");
        assert_eq!(get("key-load-delay"), "key-load-delay=0");
        assert_eq!(get("nothing"), "");
        assert_eq!(get("nothing*"), "");
        let all = config.get("*");
        assert!(all.iter().any(|(name, _)| name == "tcp-keepalive"));
        assert!(!all.iter().any(|(name, _)| name == "tcp_keepalive"));
    }

    #[test]
    fn set_is_all_or_nothing() {
        let mut config = Config::default();
        let changed = config
            .set(&[("maxmemory", "1gb"), ("hz", "10")], false)
            .unwrap();
        assert_eq!(
            changed.iter().map(|flag| flag.name).collect::<Vec<_>>(),
            ["maxmemory"]
        );
        assert_eq!(config.memory.maxmemory, 1 << 30);
        let before = config.clone();
        assert!(
            config
                .set(&[("maxmemory", "2gb"), ("hz", "x")], false)
                .is_err()
        );
        assert_eq!(config, before);
        config
            .set(&[("client-output-buffer-limit", "pubsub 1 2 3")], false)
            .unwrap();
        assert_eq!(config.network.client_output_buffer_limit.pubsub.soft, 2);
        assert_eq!(
            config.network.client_output_buffer_limit.replica.hard,
            256 << 20
        );
    }

    #[test]
    fn refusals_in_redis_words() {
        let mut config = Config::default();
        let mut why = |pairs: &[(&str, &str)]| config.set(pairs, true).unwrap_err().to_string();
        let failed = |name: &str, why: &str| {
            format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}")
        };
        let unknown = "ERR Unknown option or number of arguments for CONFIG SET - 'foo'";
        assert_eq!(why(&[("foo", "bar")]), unknown);
        assert_eq!(why(&[("daemonize", "no"), ("foo", "1")]), unknown);
        let immutable = failed("daemonize", "can't set immutable config");
        assert_eq!(why(&[("daemonize", "no")]), immutable);
        assert_eq!(
            why(&[("dir", "/")]),
            failed("dir", "can't set protected config")
        );
        assert_eq!(
            why(&[("hz", "1"), ("hz", "2")]),
            failed("hz", "duplicate parameter")
        );
        let not_bool = "argument must be 'yes' or 'no'";
        assert_eq!(
            why(&[("appendonly", "maybe")]),
            failed("appendonly", not_bool)
        );
        let not_within = "argument must be between 1 and 4294967295 inclusive";
        assert_eq!(
            why(&[("maxclients", "0")]),
            failed("maxclients", not_within)
        );
        let not_memory = "argument must be a memory value";
        assert_eq!(why(&[("maxmemory", "-1")]), failed("maxmemory", not_memory));
    }

    #[test]
    fn protected_flags_open_to_whom_they_may() {
        let mut config = Config::default();
        config.security.enable_protected_configs = AllowedFor::Local;
        assert!(config.set(&[("dbfilename", "a.rdb")], false).is_err());
        assert!(config.set(&[("dbfilename", "a.rdb")], true).is_ok());
        assert!(config.set(&[("dbfilename", "../a.rdb")], true).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_set_can_be_set_again(
            index in 0..flags().count(),
            text in "[ -~]{0,12}|[0-9]{1,6}[kmg]?b?|yes|no",
        ) {
            let flag = flags().nth(index).unwrap();
            let mut config = Config::default();
            if (flag.set)(&mut config, &text).is_ok() {
                let mut again = Config::default();
                (flag.set)(&mut again, &flag.value(&config)).unwrap();
                prop_assert_eq!(again, config);
            }
        }
    }
}
