//! Declarations against `fixtures/commands.json`, read from running servers: what COMMAND INFO and
//! COMMAND DOCS of Redis 8.0 say, or of Valkey 9.1 where Redis 8.0 doesn't know the command.

use std::collections::BTreeSet;

use commands::keys::{Begin, Find, KeySpec, access, legacy_range};
use commands::spec::flags;
use commands::{Command, Spec};
use serde_json::{Map, Value, json};

/// Upper-case names, `OBJECT ENCODING`, with their declarations.
pub(crate) fn all_specs<F: Copy>(families: &[&[Command<F>]]) -> Vec<(String, Spec)> {
    fn add<F: Copy>(parent: &str, commands: &[Command<F>], all: &mut Vec<(String, Spec)>) {
        for command in commands {
            let name = format!("{parent}{}", command.spec.name.to_ascii_uppercase());
            add(&format!("{name} "), command.subcommands, all);
            all.push((name, command.spec));
        }
    }
    let mut all = Vec::new();
    for family in families {
        add("", family, &mut all);
    }
    all
}

/// Compares everything but what is exempt: commands that are in none of those servers, and fields
/// of commands.
pub(crate) fn compare(all: &[(String, Spec)], unknown_there: &[&str], exempt: &[(&str, &str)]) {
    let facts: Map<String, Value> = serde_json::from_str(include_str!("../fixtures/commands.json"))
        .expect("the fixture is JSON");
    let mut wrong = Vec::new();
    for (name, spec) in all {
        let Some(expected) = facts.get(name) else {
            assert!(unknown_there.contains(&&**name), "{name} isn't known");
            continue;
        };
        for (field, declared) in fields(spec) {
            let expected = normalized(field, &expected[field]);
            if declared != expected && !exempt.contains(&(&**name, field)) {
                wrong.push(format!("{name} {field}: {declared} instead of {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Every command has a sentence, and a grammar if it takes arguments.
pub(crate) fn check_completeness(all: &[(String, Spec)]) {
    for (name, spec) in all {
        assert!(spec.summary.ends_with('.'), "{name} lacks a sentence");
        let names = name.split(' ').count() as i32;
        let takes_arguments = spec.arity != names && !spec.container;
        let syntax = spec.syntax;
        assert!(!takes_arguments || !syntax.is_empty(), "{name}: {syntax}");
        assert!(spec.arity != names || syntax.is_empty(), "{name}: {syntax}");
        for (open, close) in [('[', ']'), ('<', '>')] {
            let count = |bracket| syntax.matches(bracket).count();
            assert_eq!(count(open), count(close), "{name}: {syntax}");
        }
    }
}

fn fields(spec: &Spec) -> Vec<(&'static str, Value)> {
    let names = |bits: u32, names: &[(u32, &'static str)]| -> BTreeSet<&'static str> {
        let set = names.iter().filter(|(bit, _)| bits & bit != 0);
        set.map(|&(_, name)| name).collect()
    };
    let (first, last, step) = legacy_range(spec);
    let key_spec = |key: &KeySpec| {
        json!({
            "flags": names(key.access, access::NAMES),
            "begin": begin(key.begin),
            "find": find(key.find),
        })
    };
    let key_specs: Vec<Value> = spec.keys.iter().map(key_spec).collect();
    let tips: BTreeSet<_> = spec.tips.iter().collect();
    let categories: BTreeSet<_> = spec.all_categories().into_iter().collect();
    vec![
        ("arity", json!(spec.arity)),
        ("flags", json!(names(spec.flags, flags::NAMES))),
        ("first_key", json!(first)),
        ("last_key", json!(last)),
        ("key_step", json!(step)),
        ("acl", json!(categories)),
        ("tips", json!(tips)),
        ("key_specs", json!(key_specs)),
        ("since", json!(spec.since)),
        ("group", json!(spec.group.name())),
        ("complexity", json!(spec.complexity)),
    ]
}

fn begin(begin: Begin) -> Value {
    match begin {
        Begin::Index(index) => json!({ "index": { "index": index } }),
        Begin::Keyword(word, from) => json!({ "keyword": { "keyword": word, "startfrom": from } }),
    }
}

fn find(find: Find) -> Value {
    match find {
        Find::Range { last, step, limit } => {
            json!({ "range": { "lastkey": last, "keystep": step, "limit": limit } })
        }
        Find::KeyNum {
            number,
            first,
            step,
        } => json!({ "keynum": { "keynumidx": number, "firstkey": first, "keystep": step } }),
    }
}

/// Lists that are sets, in order.
fn normalized(field: &str, value: &Value) -> Value {
    let sorted = |list: &Value| {
        let list = list.as_array().into_iter().flatten();
        json!(list.map(Value::as_str).collect::<BTreeSet<_>>())
    };
    match field {
        "flags" | "acl" | "tips" => sorted(value),
        "key_specs" => {
            let mut specs = value.clone();
            for spec in specs.as_array_mut().into_iter().flatten() {
                spec["flags"] = sorted(&spec["flags"]);
            }
            specs
        }
        // What has no complexity has none to tell.
        "complexity" => json!(value.as_str().unwrap_or_default()),
        _ => value.clone(),
    }
}
