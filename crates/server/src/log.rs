//! What the server tells whoever runs it, on standard error.

/// Writes a line.
pub fn say(text: &str) {
    use std::io::Write;
    // Where no one listens there is no one to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes a line about something that should be looked at.
pub fn warn(text: &str) {
    say(&format!("warning: {text}"));
}
