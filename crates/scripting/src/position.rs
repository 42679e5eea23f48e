//! Where a running script is: for the positions in error messages.

use mlua::Lua;

/// The chunk name of what is ours, which no message mentions.
pub(crate) const OWN_CHUNK: &str = "=darner";

/// A place in a script.
pub(crate) struct Position {
    /// The chunk's whole name, `@user_script`.
    pub(crate) source: String,
    /// As it stands in messages, `user_script`.
    pub(crate) short: String,
    /// From 1.
    pub(crate) line: usize,
}

/// The place where the innermost function of the script is.
pub(crate) fn innermost(lua: &Lua) -> Option<Position> {
    for level in 1.. {
        match at(lua, level)? {
            Frame::Script(position) => return Some(position),
            Frame::Native | Frame::Own => {}
        }
    }
    None
}

/// `user_script:1: ` for a function of ours that was called from a script and can say nothing else;
/// nothing if it was called from a native function such as `pcall`. The function is native and was
/// called by one of ours.
pub(crate) fn prefix(lua: &Lua) -> String {
    match at(lua, 2) {
        Some(Frame::Script(position)) => format!("{}:{}: ", position.short, position.line),
        _ => String::new(),
    }
}

enum Frame {
    Script(Position),
    Own,
    Native,
}

fn at(lua: &Lua, level: usize) -> Option<Frame> {
    lua.inspect_stack(level, |frame| {
        let source = frame.source();
        let (Some(line), Some(name)) = (frame.current_line(), source.source) else {
            return Frame::Native;
        };
        if name == OWN_CHUNK {
            return Frame::Own;
        }
        Frame::Script(Position {
            source: name.into_owned(),
            short: source.short_src.unwrap_or_default().into_owned(),
            line,
        })
    })
}
