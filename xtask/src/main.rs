//! Chores of the repository: `cargo xtask tidy`.

mod tidy;

use std::process::ExitCode;

const USAGE: &str = "cargo xtask tidy    hold every file against the rules of CONTRIBUTING.md";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == ["tidy"] {
        return tidy::run();
    }
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
