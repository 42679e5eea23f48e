//! The rule that looks at a crate as a whole: every `.rs` file must be reached from a crate root
//! through `mod`, or it is dead and nobody notices.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::functions::word_starts;
use super::source::Source;

/// Rust files that no module declaration leads to.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let rust: BTreeMap<&str, &Source> = sources
        .iter()
        .filter(|s| s.has_extension("rs"))
        .map(|s| (s.path.as_str(), s))
        .collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<String> = sources
        .iter()
        .filter(|source| source.path.ends_with("Cargo.toml"))
        .flat_map(|manifest| crate_roots(manifest, &rust))
        .collect();
    while let Some(path) = open.pop() {
        if let Some(source) = rust.get(path.as_str())
            && reached.insert(path)
        {
            open.extend(children(source, &rust));
        }
    }
    let dead = rust.keys().filter(|path| !reached.contains(**path));
    dead.map(|path| Finding {
        rule: "module-tree",
        path: (*path).to_owned(),
        line: 1,
        item: String::new(),
        amount: 0,
        message: "no `mod` leads here".to_owned(),
    })
    .collect()
}

/// The files that cargo compiles by itself for this manifest.
fn crate_roots(manifest: &Source, rust: &BTreeMap<&str, &Source>) -> Vec<String> {
    let folder = manifest.path.trim_end_matches("Cargo.toml");
    let is_root = |path: &str| {
        let Some(inside) = path.strip_prefix(folder) else {
            return false;
        };
        let parts: Vec<&str> = inside.split('/').collect();
        matches!(
            parts[..],
            ["build.rs"]
                | ["src", "lib.rs" | "main.rs"]
                | ["src", "bin", _]
                | ["src", "bin", _, "main.rs"]
                | ["tests" | "benches" | "examples", _]
                | ["tests" | "benches" | "examples", _, "main.rs"]
        )
    };
    let mut roots: Vec<String> = rust
        .keys()
        .filter(|path| is_root(path))
        .map(|path| (*path).to_owned())
        .collect();
    for line in &manifest.lines {
        if let Some(value) = line.trim().strip_prefix("path = \"") {
            roots.push(format!("{folder}{}", value.trim_end_matches('"')));
        }
    }
    roots
}

/// The files that the modules declared in this one may live in.
fn children(source: &Source, rust: &BTreeMap<&str, &Source>) -> Vec<String> {
    let (folder, name) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let stem = name.trim_end_matches(".rs");
    let inner = match stem {
        "mod" | "lib" | "main" => folder.to_owned(),
        _ => format!("{folder}/{stem}"),
    };
    let mut found = Vec::new();
    for (index, code) in source.code.iter().enumerate() {
        for start in word_starts(code, "mod") {
            let after = code[start + 3..].trim();
            let Some(module) = after.strip_suffix(';') else {
                continue;
            };
            // A crate root that isn't called lib or main has its modules beside it.
            for base in [inner.as_str(), folder] {
                found.push(format!("{base}/{module}.rs"));
                found.push(format!("{base}/{module}/mod.rs"));
            }
        }
        // The file's own name of a module or an inclusion stands in a literal.
        let line = &source.lines[index];
        for opening in ["#[path = \"", "include!(\""] {
            if let Some((_, rest)) = line.split_once(opening)
                && let Some((path, _)) = rest.split_once('"')
            {
                found.push(format!("{folder}/{path}"));
            }
        }
    }
    found.retain(|path| rust.contains_key(path.as_str()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect();
        check(&sources)
            .into_iter()
            .map(|finding| finding.path)
            .collect()
    }

    #[test]
    fn modules_are_followed() {
        let files = [
            ("a/Cargo.toml", ""),
            (
                "a/src/lib.rs",
                "pub mod one;\nmod two;\n#[path = \"odd.rs\"]\nmod three;\n",
            ),
            ("a/src/one.rs", "pub(crate) mod inner;\n"),
            ("a/src/one/inner.rs", ""),
            ("a/src/two/mod.rs", "mod inner;"),
            ("a/src/two/inner.rs", ""),
            ("a/src/odd.rs", ""),
            ("a/tests/wire.rs", "mod support;"),
            ("a/tests/support/mod.rs", ""),
        ];
        assert!(dead(&files).is_empty(), "{:?}", dead(&files));
    }

    #[test]
    fn dead_files_are_found() {
        let files = [
            ("a/Cargo.toml", ""),
            ("a/src/main.rs", "// mod ghost;\nmod one { }\n"),
            ("a/src/ghost.rs", ""),
            ("a/src/one.rs", ""),
        ];
        assert_eq!(dead(&files), ["a/src/ghost.rs", "a/src/one.rs"]);
    }

    #[test]
    fn binaries_named_by_the_manifest_are_roots() {
        let files = [
            (
                "fuzz/Cargo.toml",
                "[[bin]]\nname = \"x\"\npath = \"fuzz_targets/x.rs\"\n",
            ),
            ("fuzz/fuzz_targets/x.rs", ""),
        ];
        assert!(dead(&files).is_empty());
    }
}
