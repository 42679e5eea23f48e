//! The rules that look at one file at a time.

use super::Finding;
use super::functions::{functions, test_lines, word_starts};
use super::source::Source;

const MAX_COLUMNS: usize = 100;
const MAX_FILE_LINES: usize = 800;
const MAX_FUNCTION_LINES: usize = 70;
/// How far above an `unsafe` its reason may begin.
const SAFETY_LINES: usize = 16;

/// Everything in the file that breaks a rule.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_code(source) {
        findings.extend(long_lines(source));
        findings.extend(long_file(source));
    }
    if source.has_extension("rs") {
        findings.extend(missing_heading(source));
        findings.extend(long_functions(source));
        findings.extend(unwraps(source));
        findings.extend(unsafe_without_reason(source));
    }
    if source.has_extension("md") {
        findings.extend(missing_title(source));
    }
    findings
}

fn finding(source: &Source, rule: &'static str, line: usize, message: String) -> Finding {
    let path = source.path.clone();
    Finding {
        rule,
        path,
        line,
        item: String::new(),
        amount: 0,
        message,
    }
}

/// Rust, Python, JavaScript, and scripts that begin with `#!`; tables of cases are data.
fn is_code(source: &Source) -> bool {
    let by_name = ["rs", "py", "js"]
        .iter()
        .any(|extension| source.has_extension(extension));
    let is_script = source
        .lines
        .first()
        .is_some_and(|line| line.starts_with("#!"));
    (by_name || is_script) && !source.path.contains("/fixtures/")
}

fn long_lines(source: &Source) -> impl Iterator<Item = Finding> {
    source.lines.iter().enumerate().filter_map(|(index, line)| {
        let amount = line.chars().count();
        let message = format!("{amount} columns, {MAX_COLUMNS} are allowed");
        (amount > MAX_COLUMNS).then(|| Finding {
            amount,
            ..finding(source, "line-length", index + 1, message)
        })
    })
}

fn long_file(source: &Source) -> Option<Finding> {
    let amount = source.lines.len();
    let message = format!("{amount} lines, {MAX_FILE_LINES} are allowed: split the file");
    (amount > MAX_FILE_LINES).then(|| Finding {
        amount,
        ..finding(source, "file-length", 1, message)
    })
}

fn missing_heading(source: &Source) -> Option<Finding> {
    let first = source.lines.first().map_or("", String::as_str);
    let message = "the file must begin with //! and say what it is for".to_owned();
    (!first.starts_with("//! ") && !first.starts_with("/*!"))
        .then(|| finding(source, "heading", 1, message))
}

fn missing_title(source: &Source) -> Option<Finding> {
    let first = source.lines.first().map_or("", String::as_str);
    let message = "the page must begin with a title".to_owned();
    (!first.starts_with("# ")).then(|| finding(source, "title", 1, message))
}

fn long_functions(source: &Source) -> impl Iterator<Item = Finding> {
    functions(source).into_iter().filter_map(|function| {
        let amount = function.length();
        let line = *function.lines.start();
        let message = format!(
            "fn {}: {amount} lines, {MAX_FUNCTION_LINES} are allowed",
            function.name
        );
        let item = function.name;
        (amount > MAX_FUNCTION_LINES).then(|| Finding {
            item,
            amount,
            ..finding(source, "function-length", line, message)
        })
    })
}

fn unwraps(source: &Source) -> impl Iterator<Item = Finding> {
    let tests = test_lines(source);
    let whole_file = is_test_file(&source.path);
    source
        .code
        .iter()
        .enumerate()
        .filter_map(move |(index, line)| {
            let line_number = index + 1;
            let in_test = whole_file || tests.iter().any(|range| range.contains(&line_number));
            let message = "unwrap() outside tests: say the invariant with expect(), or handle it";
            (line.contains(".unwrap()") && !in_test)
                .then(|| finding(source, "unwrap", line_number, message.to_owned()))
        })
}

/// Files that only tests compile, by where they lie or what they are called.
fn is_test_file(path: &str) -> bool {
    let folders = ["/tests/", "/benches/", "/fuzz_targets/"];
    folders.iter().any(|folder| path.contains(folder))
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
}

fn unsafe_without_reason(source: &Source) -> impl Iterator<Item = Finding> {
    source.code.iter().enumerate().filter_map(|(index, line)| {
        let wants_reason = word_starts(line, "unsafe").any(|start| {
            let after = line[start + "unsafe".len()..].trim_start();
            after.is_empty() || after.starts_with('{') || after.starts_with("impl")
        });
        let message = "unsafe without a // SAFETY: comment above it".to_owned();
        (wants_reason && !has_reason(source, index))
            .then(|| finding(source, "safety", index + 1, message))
    })
}

/// A SAFETY comment on the line itself, or above the statement that it belongs to.
fn has_reason(source: &Source, index: usize) -> bool {
    let first = index.saturating_sub(SAFETY_LINES);
    for above in (first..=index).rev() {
        if source.comments[above].contains("SAFETY:") {
            return true;
        }
        let code = source.code[above].trim_end();
        let statement_ends = code.ends_with(';') || code.ends_with('}') || code.ends_with('{');
        if above < index && statement_ends {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_broken(path: &str, text: &str) -> Vec<&'static str> {
        check(&Source::new(path, text))
            .into_iter()
            .map(|finding| finding.rule)
            .collect()
    }

    #[test]
    fn a_tidy_file_has_no_findings() {
        let text = "//! Heading.\n\nfn a() -> u8 {\n    // SAFETY: nothing to fear.\n    \
                    unsafe { b() }\n}\n";
        assert!(rules_broken("crates/x/src/a.rs", text).is_empty());
    }

    #[test]
    fn lengths() {
        let long = "x".repeat(101);
        assert_eq!(rules_broken("a.py", &long), ["line-length"]);
        assert_eq!(
            rules_broken("script", &format!("#!/bin/sh\n{long}")),
            ["line-length"]
        );
        assert!(rules_broken("a.txt", &long).is_empty());
        assert!(rules_broken("a.py", &"é".repeat(100)).is_empty());
        assert_eq!(rules_broken("a.py", &"x\n".repeat(801)), ["file-length"]);
        let function = format!("//! H.\nfn a() {{\n{}}}\n", "    b();\n".repeat(69));
        assert_eq!(rules_broken("a.rs", &function), ["function-length"]);
        let function = format!("//! H.\nfn a() {{\n{}}}\n", "    b();\n".repeat(68));
        assert!(rules_broken("a.rs", &function).is_empty());
    }

    #[test]
    fn headings() {
        assert_eq!(rules_broken("a.rs", "fn a() {}\n"), ["heading"]);
        assert_eq!(rules_broken("a.md", "Text\n"), ["title"]);
        assert!(rules_broken("a.md", "# Title\n").is_empty());
    }

    #[test]
    fn unwraps_are_for_tests() {
        let text = "//! H.\nfn a() {\n    b().unwrap();\n}\n";
        assert_eq!(rules_broken("crates/x/src/a.rs", text), ["unwrap"]);
        assert!(rules_broken("crates/x/tests/a.rs", text).is_empty());
        let text = "//! H.\n#[cfg(test)]\nmod tests {\n    fn a() { b().unwrap(); }\n}\n";
        assert!(rules_broken("crates/x/src/a.rs", text).is_empty());
        let text = "//! H.\n// b.unwrap() would panic\nconst A: &str = \".unwrap()\";\n";
        assert!(rules_broken("crates/x/src/a.rs", text).is_empty());
    }

    #[test]
    fn unsafe_wants_a_reason() {
        let text = "//! H.\nfn a() {\n    let x = unsafe { b() };\n}\n";
        assert_eq!(rules_broken("a.rs", text), ["safety"]);
        let text = "//! H.\n// SAFETY: of something else.\nfn a() {\n    unsafe { b() }\n}\n";
        assert_eq!(rules_broken("a.rs", text), ["safety"]);
        let text = "//! H.\nfn a() {\n    // SAFETY: fine.\n    let x = c(1)\n        \
                    .map(|y| unsafe { y });\n}\n";
        assert!(rules_broken("a.rs", text).is_empty());
        assert_eq!(
            rules_broken("a.rs", "//! H.\nunsafe impl Send for A {}\n"),
            ["safety"]
        );
        assert!(rules_broken("a.rs", "//! H.\npub unsafe fn a();\n").is_empty());
    }
}
