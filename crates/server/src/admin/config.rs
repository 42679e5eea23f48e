//! CONFIG: the settings, shown and changed while the server runs.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use commands::spec::Group;
use commands::{Command, CommandError, Spec};
use protocol::Reply;

use super::{ADMIN, ANYTIME, container, plain};
use crate::flags::rewrite::{Missing, rewrite};
use crate::flags::{Config, ConfigError, Flag, Network};
use crate::log::{self, warn};
use crate::session::{Call, Outcome, SessionCommand, help};
use crate::shared::Shared;

/// What all of them have in common.
const fn spec(name: &'static str, arity: i32) -> Spec {
    Spec {
        arity,
        flags: ADMIN,
        group: Group::Server,
        since: "2.0.0",
        ..Spec::new(name)
    }
}

const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// CONFIG and its subcommands.
pub(super) const CONFIG: SessionCommand = Command {
    spec: Spec {
        flags: 0,
        container: true,
        complexity: "Depends on subcommand.",
        summary: "A container for server configuration commands.",
        ..spec("config", -2)
    },
    run: container,
    subcommands: &[
        plain(
            Spec {
                complexity: "O(N) when N is the number of configuration parameters provided",
                summary: "Returns the effective values of configuration parameters.",
                syntax: "parameter [parameter ...]",
                ..spec("get", -3)
            },
            get,
        ),
        plain(
            Spec {
                flags: ANYTIME,
                since: "5.0.0",
                summary: "Returns helpful text about the different subcommands.",
                ..spec("help", 2)
            },
            help,
        ),
        plain(
            Spec {
                summary: "Resets the server's statistics.",
                tips: EVERYWHERE,
                ..spec("resetstat", 2)
            },
            reset_stat,
        ),
        plain(
            Spec {
                since: "2.8.0",
                summary: "Persists the effective configuration to file.",
                tips: EVERYWHERE,
                ..spec("rewrite", 2)
            },
            rewrite_file,
        ),
        plain(
            Spec {
                complexity: "O(N) when N is the number of configuration parameters provided",
                summary: "Sets configuration parameters in-flight.",
                syntax: "parameter value [parameter value ...]",
                tips: EVERYWHERE,
                ..spec("set", -4)
            },
            set,
        ),
    ],
};

fn get(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let config = call.shared.config();
    let mut found: Vec<(String, String)> = Vec::new();
    for pattern in call.args.from(2) {
        for pair in config.get(&String::from_utf8_lossy(pattern)) {
            // A parameter that several patterns fit is shown once.
            if !found.iter().any(|(name, _)| *name == pair.0) {
                found.push(pair);
            }
        }
    }
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    Ok(Outcome::Done)
}

fn set(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let args = call.args;
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let texts: Vec<&str> = args.from(2).map(text).collect::<Result<_, _>>()?;
    let (pairs, _) = texts.as_chunks::<2>();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|&[name, value]| (name, value)).collect();
    let is_local = call.conn.info.socket.is_local();
    let change = |config: &mut Config| {
        let old = config.network.clone();
        let changed = config.set(&pairs, is_local)?;
        apply(call.shared, &old, config, &changed)
    };
    call.shared
        .change_config(change)
        .map_err(|error: ConfigError| CommandError::Made(error.to_string()))?;
    // The commands that follow in this batch see it already.
    call.thread.take_config();
    reply.ok();
    Ok(Outcome::Done)
}

/// Does what follows from changed settings, beyond what whoever uses them does by itself.
fn apply(
    shared: &Shared,
    old: &Network,
    config: &mut Config,
    changed: &[&'static Flag],
) -> Result<(), ConfigError> {
    let is_changed = |name: &str| changed.iter().any(|flag| flag.name == name);
    let refusal = if is_changed("port") {
        Some(("port", "Unable to listen on this port. Check server logs."))
    } else if is_changed("bind") {
        const WHY: &str = "Failed to bind to specified addresses. Check server logs.";
        Some(("bind", WHY))
    } else {
        None
    };
    if let Some((name, why)) = refusal {
        let listens = shared.listening.change(old, &mut config.network);
        listens.map_err(|error| {
            warn(&format!("CONFIG SET {name}: {error}"));
            ConfigError::rejected(name, why)
        })?;
    }
    for name in ["oom_score_adj", "oom_score_adj_values"] {
        if is_changed(name) {
            shared.oom_score.apply(&config.process).map_err(|error| {
                warn(&format!("oom-score-adj: {error}"));
                ConfigError::rejected(
                    name,
                    "Failed to apply new oom_score_adj configuration, check server logs.",
                )
            })?;
        }
    }
    log::set_least(config.monitoring.loglevel);
    Ok(())
}

fn text(arg: &[u8]) -> Result<&str, CommandError> {
    str::from_utf8(arg).map_err(|_| {
        let shown = String::from_utf8_lossy(arg);
        CommandError::Made(format!(
            "ERR CONFIG SET failed (possibly related to argument '{shown}') - \
             argument must be UTF-8"
        ))
    })
}

fn reset_stat(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    call.shared.reset_stats();
    reply.ok();
    Ok(Outcome::Done)
}

fn rewrite_file(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    rewrite_conf(call.shared, Missing::Changed)?;
    reply.ok();
    Ok(Outcome::Done)
}

/// Brings the redis.conf up to date.
pub(super) fn rewrite_conf(shared: &Shared, which: Missing) -> Result<(), CommandError> {
    let Some(path) = &shared.conf_path else {
        return Err(CommandError::Text(
            "ERR The server is running without a config file",
        ));
    };
    rewrite_at(Path::new(path), &shared.config(), &shared.defaults, which)
        .map_err(|error| CommandError::Made(format!("ERR Rewriting config file: {error}")))
}

/// Puts a new file in the place of the old one, which stays whole until then.
fn rewrite_at(path: &Path, config: &Config, defaults: &Config, which: Missing) -> io::Result<()> {
    let old = match fs::read_to_string(path) {
        // It is made anew if it was removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        old => old?,
    };
    let new_path = path.with_extension(format!("rewrite-{}", std::process::id()));
    let written = write_durably(&new_path, &rewrite(&old, config, defaults, which), path)
        .and_then(|()| fs::rename(&new_path, path));
    if written.is_err() {
        // What is left of it is of no use; if it can't be removed either, so be it.
        let _ = fs::remove_file(&new_path);
    }
    written
}

fn write_durably(new_path: &Path, text: &str, path: &Path) -> io::Result<()> {
    let mut file = fs::File::create(new_path)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::conf_file;

    #[test]
    fn rewriting_replaces_the_file_or_leaves_it() {
        let folder = std::env::temp_dir().join(format!("darner-config-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("redis.conf");
        fs::write(&path, "# mine\nmaxclients 10\n").unwrap();
        let mut config = Config::default();
        config.network.maxclients = 11;
        // As with any file that doesn't say otherwise.
        config.network.protected_mode = true;
        rewrite_at(&path, &config, &conf_file::defaults(), Missing::Changed).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "# mine\nmaxclients 11\n");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        let nowhere = folder.join("nowhere/redis.conf");
        assert!(rewrite_at(&nowhere, &config, &conf_file::defaults(), Missing::Changed).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
