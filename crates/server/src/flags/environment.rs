//! Flags from the environment: `DFLY_maxmemory=4gb`, as Dragonfly has them, or
//! `DARNER_maxmemory=4gb`. Names are taken in any case, since many deployments get that wrong.

use super::config::find;
use super::load::{Origin, Setting};

/// Stronger prefixes come later.
const PREFIXES: [&str; 2] = ["DFLY_", "DARNER_"];

/// Names that are no flags: one that Dragonfly knows and that sets nothing here, and how the server
/// tells its process in the background that it is there.
const IGNORED: &[&str] = &["DEV_ENV", "DAEMON"];

/// The settings in the environment, weakest first, and warnings about names that are no flags.
pub(super) fn parse(variables: &[(String, String)]) -> (Vec<Setting>, Vec<String>) {
    let (mut settings, mut warnings) = (Vec::new(), Vec::new());
    for prefix in PREFIXES {
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix(prefix) else {
                continue;
            };
            let is_password = name.eq_ignore_ascii_case("password");
            let name = if is_password { "requirepass" } else { name };
            if IGNORED.contains(&name) {
                continue;
            }
            if find(name).is_none() && !name.eq_ignore_ascii_case("flagfile") {
                warnings.push(format!(
                    "environment variable {variable}: there is no such flag"
                ));
                continue;
            }
            let setting = Setting {
                name: name.to_string(),
                words: vec![value.clone()],
                origin: Origin::Environment(variable.clone()),
            };
            // The password's other name is the weaker one.
            let place = if is_password { 0 } else { settings.len() };
            settings.insert(place, setting);
        }
    }
    (settings, warnings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_names() {
        let variables = [
            ("HOME", "/"),
            ("DARNER_port", "2"),
            ("DFLY_requirepass", "a"),
            ("DFLY_PASSWORD", "b"),
            ("DFLY_MAXMEMORY_POLICY", "noeviction"),
            ("DFLY_port", "1"),
            ("DFLY_DEV_ENV", "1"),
            ("DFLY_lfu_decay", "1"),
        ];
        let variables = variables.map(|(name, value)| (name.to_string(), value.to_string()));
        let (settings, warnings) = parse(&variables);
        let show = |setting: &Setting| format!("{}={}", setting.name, setting.words.join(" "));
        let expected = [
            "requirepass=b",
            "requirepass=a",
            "MAXMEMORY_POLICY=noeviction",
            "port=1",
            "port=2",
        ];
        assert_eq!(settings.iter().map(show).collect::<Vec<_>>(), expected);
        assert_eq!(
            warnings,
            ["environment variable DFLY_lfu_decay: there is no such flag"]
        );
    }
}
