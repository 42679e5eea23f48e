//! Taste as a check: length of lines, functions and files, headings, unwraps, SAFETY comments, and
//! files that no module names. What may break a rule stands in `tidy-exceptions.txt`, and why.

mod exceptions;
mod functions;
mod modules;
mod rules;
mod source;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use exceptions::Exceptions;
use source::Source;

const EXCEPTIONS_PATH: &str = "xtask/tidy-exceptions.txt";

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    rule: &'static str,
    path: String,
    line: usize,
    /// What of the file it is about (a function's name), or empty.
    item: String,
    /// For rules with a limit: how much there is, so that an exception can be a ratchet.
    amount: usize,
    message: String,
}

/// Checks the repository around the working directory, and prints what it finds.
pub(crate) fn run() -> ExitCode {
    let outcome = check_repository(&repository_root());
    match outcome {
        Ok((findings, files)) if findings.is_empty() => {
            println!("tidy: {files} files are in order");
            ExitCode::SUCCESS
        }
        Ok((findings, _)) => {
            for finding in &findings {
                let Finding {
                    path,
                    line,
                    rule,
                    message,
                    ..
                } = finding;
                println!("{path}:{line}: {rule}: {message}");
            }
            println!("tidy: {} findings", findings.len());
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("tidy: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn repository_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("xtask lies in the repository")
        .to_path_buf()
}

/// The findings that no exception covers, and the number of files looked at.
fn check_repository(root: &Path) -> Result<(Vec<Finding>, usize), String> {
    let paths = list_files(root)?;
    let mut sources = Vec::new();
    for path in &paths {
        // A file that is deleted but not yet committed so is still listed.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            sources.push(Source::new(path, &text));
        }
    }
    let mut findings: Vec<Finding> = sources.iter().flat_map(rules::check).collect();
    findings.extend(modules::check(&sources));
    let exceptions_text = std::fs::read_to_string(root.join(EXCEPTIONS_PATH))
        .map_err(|error| format!("{EXCEPTIONS_PATH}: {error}"))?;
    let mut remaining = Exceptions::parse(&exceptions_text)?.apply(findings);
    remaining.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok((remaining, sources.len()))
}

/// All files that Git tracks or would track.
fn list_files(root: &Path) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("git ls-files: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let listing = String::from_utf8_lossy(&output.stdout);
    Ok(listing.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The repository itself must be tidy: the same check as `cargo xtask tidy`, as a test.
    #[test]
    fn this_repository_is_tidy() {
        let (findings, files) = check_repository(&repository_root()).unwrap();
        assert!(files > 10);
        assert!(findings.is_empty(), "run `cargo xtask tidy`: {findings:#?}");
    }
}
