//! Every parameter that CONFIG GET of a Redis 7.0.15 server listed is known here, and has the
//! same default but for those below.

use server::flags::Config;

const FIXTURE: &str = include_str!("fixtures/redis-7.0.15-config.txt");

/// Where Darner's default is another, and why.
const OTHER_DEFAULTS: &[(&str, &str)] = &[
    (
        "dir",
        "it is the working directory, which the recording server showed in full",
    ),
    (
        "enable-debug-command",
        "clients on this machine may, as in Dragonfly: tools and tests ask it",
    ),
    ("maxclients", "64000, as in Dragonfly"),
    ("pidfile", "no file, as in Dragonfly"),
    (
        "protected-mode",
        "off, as in Dragonfly: containers have no other way to be reached",
    ),
    ("disable-thp", "no: we don't fork, so huge pages only help"),
];

#[test]
fn all_redis_parameters_are_known() {
    let config = Config::default();
    let listed = config.get("*");
    let mut missing = Vec::new();
    for (name, _) in parameters() {
        if !listed.iter().any(|(listed, _)| listed == name) {
            missing.push(name);
        }
    }
    assert_eq!(missing, [""; 0]);
}

#[test]
fn defaults_are_those_of_redis() {
    let config = Config::default();
    let mut different = Vec::new();
    for (name, expected) in parameters() {
        let [(_, value)] = &config.get(name)[..] else {
            continue;
        };
        if value != expected && !OTHER_DEFAULTS.iter().any(|(other, _)| *other == name) {
            different.push(format!("{name}: {value:?}, not {expected:?}"));
        }
    }
    assert_eq!(different, [""; 0]);
}

fn parameters() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIXTURE.lines().filter_map(|line| line.split_once('='))
}
