//! A run's way into Lua and out of it: keys and arguments become tables, what the script returns
//! becomes a reply. See `raw.rs` for what this code has to mind.

use protocol::Reply;

use crate::raw::{Kind, Stack};
use crate::to_reply::{Writer, field};

/// Numbers of the constants (see [`Stack::push_constant`]) beside the names of fields.
pub(crate) mod constant {
    use crate::to_reply::field;

    /// Makes a table of what was raised.
    pub(crate) const HANDLER: i32 = field::END;
    /// What scripts see.
    pub(crate) const GLOBALS: i32 = field::END + 1;
    /// Where the keys and arguments of functions are until these are called.
    pub(crate) const GIVEN: i32 = field::END + 2;
    pub(crate) const KEYS: i32 = field::END + 3;
    pub(crate) const ARGV: i32 = field::END + 4;
}

/// What Lua says when it gets no more memory.
pub(crate) const NO_MEMORY: &str = "not enough memory";
/// What clients hear then.
pub(crate) const NO_MEMORY_LEFT: &str = "script needs more memory than scripts may have \
    (--lua_mem_limit)";

/// What a run has come to.
#[derive(Debug, Default)]
pub(crate) struct Returned {
    /// The reply in wire form, or the text of the error.
    pub(crate) bytes: Vec<u8>,
    pub(crate) failure: Option<Raised>,
}

/// What is to be known of an error beside its text.
#[derive(Debug, Default)]
pub(crate) struct Raised {
    /// Whether the host has counted it.
    pub(crate) is_counted: bool,
    /// Where it was raised: the name of a chunk and a line.
    pub(crate) place: Option<(String, usize)>,
}

/// Makes the tables KEYS and ARGV of these strings, for a script or for a function.
pub(crate) fn give(
    stack: &mut Stack,
    is_function: bool,
    strings: [&mut dyn ExactSizeIterator<Item = &[u8]>; 2],
) {
    let place = stack.len() + 1;
    stack.push_constant(if is_function {
        constant::GIVEN
    } else {
        constant::GLOBALS
    });
    if stack.is_collection_due() {
        forget_last(stack, place, !is_function);
        stack.collect();
    }
    for (name, strings) in [constant::KEYS, constant::ARGV].into_iter().zip(strings) {
        stack.push_constant(name);
        stack.push_table(strings.len(), 0);
        for (number, bytes) in (1..).zip(strings) {
            stack.push_bytes(bytes);
            stack.set_element(number);
        }
    }
    // Nothing fails between the two: there are such fields already.
    stack.set_protected(place, false);
    stack.set_field_of(place);
    stack.set_field_of(place);
    stack.set_protected(place, !is_function);
}

/// Gives up the keys and arguments of the run before, which would else survive the collection.
fn forget_last(stack: &mut Stack, place: i32, protected: bool) {
    stack.set_protected(place, false);
    for name in [constant::KEYS, constant::ARGV] {
        stack.push_constant(name);
        stack.push_bool(false);
        stack.set_field_of(place);
    }
    stack.set_protected(place, protected);
}

/// Calls the topmost value, a script or a function, and takes what it returns. `resp3` is what the
/// script has asked for, when it has ended.
pub(crate) fn call(
    stack: &mut Stack,
    is_function: bool,
    resp3: impl FnOnce() -> bool,
    (returned, client_resp3): (&mut Returned, bool),
) {
    let callee = stack.len();
    stack.push_constant(constant::HANDLER);
    stack.push_copy(callee);
    let mut arguments = 0;
    if is_function {
        stack.push_constant(constant::GIVEN);
        let given = stack.len();
        stack.push_field(given, constant::KEYS);
        stack.push_field(given, constant::ARGV);
        stack.remove(given);
        arguments = 2;
    }
    let ok = stack.call(arguments, callee + 1);
    let table = stack.len();
    let is_table = stack.kind(table) == Kind::Table;
    if is_table {
        stack.push_field(table, field::ERR);
        if stack.kind(-1) == Kind::String {
            return take_failure(stack, table, ok, returned);
        }
        stack.pop();
    }
    if ok {
        let mut reply = Reply::new(&mut returned.bytes, client_resp3);
        let resp3 = resp3();
        Writer {
            stack,
            resp3,
            reply: &mut reply,
        }
        .write(0);
        return;
    }
    let text = match stack.kind(table) {
        // Lua's own words when it can't even call the handler.
        Kind::String if stack.bytes(table) == NO_MEMORY.as_bytes() => NO_MEMORY_LEFT.as_bytes(),
        Kind::String => stack.bytes(table),
        _ => b"unknown error",
    };
    returned.bytes.extend_from_slice(b"ERR ");
    returned.bytes.extend_from_slice(text);
    returned.failure = Some(Raised::default());
}

/// Takes an error from a table; its text is the topmost value.
fn take_failure(stack: &mut Stack, table: i32, ok: bool, returned: &mut Returned) {
    returned.bytes.extend_from_slice(stack.bytes(-1));
    for name in [field::COUNTED, field::SOURCE, field::LINE] {
        stack.push_field(table, name);
    }
    let is_counted = !matches!(stack.kind(-3), Kind::Nil | Kind::Boolean(false));
    let place = match (stack.kind(-2), stack.kind(-1)) {
        (Kind::String, Kind::Number(line)) if !ok => {
            let source = String::from_utf8_lossy(stack.bytes(-2)).into_owned();
            Some((source, line as usize))
        }
        _ => None,
    };
    returned.failure = Some(Raised { is_counted, place });
}
