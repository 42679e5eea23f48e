//! Lua's stack without the binding in between, for what runs with every script and every command
//! of one: a value costs a call of C here, not a reference, a protected call and an enum.
//!
//! All `unsafe` of this crate is here. What has to be kept in mind: Lua raises its errors by
//! `longjmp`, and most of its functions can (there may be no memory for a string). That skips the
//! Rust frames up to the protected call, so none of these may own anything: whoever is given a
//! [`Stack`] that can be changed works with numbers and borrowed bytes.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};
use std::ops::Range;
use std::rc::Rc;

use mlua::ffi::{self, lua_State};
use mlua::{Function, IntoLua, IntoLuaMulti, Lua, Result};

/// The stack of a function that Lua has called, its arguments from 1 on.
pub(crate) struct Stack(*mut lua_State);

/// What there is at a place of the stack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Nil,
    Boolean(bool),
    Number(f64),
    String,
    Table,
    Other,
}

/// What a function of ours tells Lua.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// So many topmost values are the results.
    Results(i32),
    /// The topmost value is an error.
    Error,
}

/// A function for scripts.
pub(crate) trait Native {
    /// What it keeps from one call to the next.
    type Memory: Default + 'static;
    /// Does what needs no change of the stack. Lua waits meanwhile: this may own what it likes.
    fn work(_: &Stack, _: &mut Self::Memory) {}
    /// Tells Lua what has become of it. This may own nothing, see the module.
    fn answer(stack: &mut Stack, memory: &mut Self::Memory) -> Answer;
}

// Every method relies on what `Stack` promises: its state is alive and runs a function of ours, or
// nothing, so that there are LUA_MINSTACK places beside those that `reserve` has made. Places are
// given by number; Lua reads nil where there is none, and `debug_assert` watches the rest.
impl Stack {
    /// How many values there are.
    #[inline]
    pub(crate) fn len(&self) -> i32 {
        // SAFETY: see above.
        unsafe { ffi::lua_gettop(self.0) }
    }

    /// What there is at a place.
    #[inline]
    pub(crate) fn kind(&self, at: i32) -> Kind {
        // SAFETY: see above; none of these changes or raises anything.
        unsafe {
            match ffi::lua_type(self.0, at) {
                ffi::LUA_TNONE | ffi::LUA_TNIL => Kind::Nil,
                ffi::LUA_TBOOLEAN => Kind::Boolean(ffi::lua_toboolean(self.0, at) != 0),
                ffi::LUA_TNUMBER => Kind::Number(ffi::lua_tonumber(self.0, at)),
                ffi::LUA_TSTRING => Kind::String,
                ffi::LUA_TTABLE => Kind::Table,
                _ => Kind::Other,
            }
        }
    }

    /// The bytes of a string. They stay where they are while the string does, and it can't go
    /// without the stack being changed.
    #[inline]
    pub(crate) fn string(&self, at: i32) -> Option<&[u8]> {
        // SAFETY: see above. Nothing is converted, so nothing is allocated; the bytes live as long
        // as something refers to the string, which the stack does as long as it is borrowed.
        unsafe {
            let mut len = 0;
            let start = lua_stringat(self.0, at, &raw mut len);
            (!start.is_null()).then(|| std::slice::from_raw_parts(start.cast(), len))
        }
    }

    /// The bytes of a string; nothing if it is none.
    #[inline]
    pub(crate) fn bytes(&self, at: i32) -> &[u8] {
        self.string(at).unwrap_or_default()
    }

    /// Whether a value is the null pointer.
    pub(crate) fn is_null(&self, at: i32) -> bool {
        // SAFETY: see above; neither changes or raises anything.
        unsafe {
            ffi::lua_type(self.0, at) == ffi::LUA_TLIGHTUSERDATA
                && ffi::lua_touserdata(self.0, at).is_null()
        }
    }

    /// The number that a value is, or that it is the text of.
    pub(crate) fn number(&self, at: i32) -> Option<f64> {
        // SAFETY: see above; neither changes nor raises anything.
        unsafe { (ffi::lua_isnumber(self.0, at) != 0).then(|| ffi::lua_tonumber(self.0, at)) }
    }

    /// The name of a value's type.
    pub(crate) fn type_name(&self, at: i32) -> &'static str {
        // SAFETY: see above; names of types are constants of Lua's, in ASCII.
        let name = unsafe { CStr::from_ptr(ffi::lua_typename(self.0, ffi::lua_type(self.0, at))) };
        name.to_str().unwrap_or_default()
    }

    /// The number that the running function was made with.
    #[inline]
    pub(crate) fn own_number(&self) -> usize {
        // SAFETY: see above; neither changes or raises anything.
        unsafe { ffi::lua_tonumber(self.0, ffi::lua_upvalueindex(3)) as usize }
    }

    /// Makes a string of a number. Whether there is a string then.
    pub(crate) fn make_string(&mut self, at: i32) -> bool {
        // SAFETY: see above; the bytes are not read here.
        unsafe { !ffi::lua_tolstring(self.0, at, std::ptr::null_mut()).is_null() }
    }

    /// Makes room for so many values.
    pub(crate) fn reserve(&mut self, count: i32) {
        // SAFETY: see above.
        unsafe { ffi::luaL_checkstack(self.0, count, c"too many nested values".as_ptr()) };
    }

    /// Removes all values from this place on.
    #[inline]
    pub(crate) fn cut(&mut self, from: i32) {
        debug_assert!(from > 0 && from <= self.len() + 1);
        // SAFETY: see above; it only becomes shorter.
        unsafe { ffi::lua_settop(self.0, from - 1) };
    }

    /// Removes the topmost value.
    #[inline]
    pub(crate) fn pop(&mut self) {
        debug_assert!(self.len() > 0);
        // SAFETY: see above; it only becomes shorter.
        unsafe { ffi::lua_settop(self.0, -2) };
    }

    /// Removes the value at a place.
    pub(crate) fn remove(&mut self, at: i32) {
        debug_assert!(at > 0 && at <= self.len());
        // SAFETY: see above; there is such a value.
        unsafe { ffi::lua_remove(self.0, at) };
    }

    /// Pops a value and puts it at a place.
    pub(crate) fn replace(&mut self, at: i32) {
        debug_assert!(at > 0 && at < self.len());
        // SAFETY: see above; there is such a place.
        unsafe { ffi::lua_replace(self.0, at) };
    }

    #[inline]
    pub(crate) fn push_nil(&mut self) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushnil(self.0) };
    }

    /// Pushes the null pointer.
    pub(crate) fn push_null(&mut self) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushlightuserdata(self.0, std::ptr::null_mut()) };
    }

    #[inline]
    pub(crate) fn push_bool(&mut self, truth: bool) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushboolean(self.0, truth.into()) };
    }

    #[inline]
    pub(crate) fn push_number(&mut self, number: f64) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushnumber(self.0, number) };
    }

    #[inline]
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        // SAFETY: see above; Lua copies them.
        unsafe { ffi::lua_pushlstring_(self.0, bytes.as_ptr().cast::<c_char>(), bytes.len()) };
    }

    /// Pushes a part of the string at a place, or an empty string if it has no such part.
    #[inline]
    pub(crate) fn push_part(&mut self, at: i32, part: Range<usize>) {
        let bytes: *const [u8] = self.bytes(at).get(part).unwrap_or_default();
        // SAFETY: see above; Lua copies the bytes, and the string stays on the stack meanwhile.
        unsafe { ffi::lua_pushlstring_(self.0, bytes.cast::<c_char>(), bytes.len()) };
    }

    /// Pushes where the script has called the running function, as messages of errors begin.
    pub(crate) fn push_place(&mut self) {
        // SAFETY: see above.
        unsafe { ffi::luaL_where(self.0, 1) };
    }

    /// Joins the two topmost strings.
    pub(crate) fn join(&mut self) {
        // SAFETY: see above; there are two.
        unsafe { ffi::lua_concat(self.0, 2) };
    }

    /// Pushes the value at a place again.
    #[inline]
    pub(crate) fn push_copy(&mut self, at: i32) {
        debug_assert!(at != 0 && at <= self.len());
        // SAFETY: see above.
        unsafe { ffi::lua_pushvalue(self.0, at) };
    }

    /// Pushes what the running function was made with, from 1 on.
    #[inline]
    pub(crate) fn push_constant(&mut self, number: i32) {
        // SAFETY: see above; Lua reads nil beyond the last.
        unsafe { ffi::lua_pushvalue(self.0, ffi::lua_upvalueindex(number)) };
    }

    /// Pushes a table with room for so many elements and fields.
    #[inline]
    pub(crate) fn push_table(&mut self, elements: usize, fields: i32) {
        let elements = c_int::try_from(elements).unwrap_or(c_int::MAX);
        // SAFETY: see above.
        unsafe { ffi::lua_createtable(self.0, elements, fields) };
    }

    /// Pops a value and a key that lies below it, and puts them into the table below these. The
    /// key is neither nil nor a NaN.
    #[inline]
    pub(crate) fn set_field(&mut self) {
        self.set_field_of(-3);
    }

    /// The same with a table at a place.
    #[inline]
    pub(crate) fn set_field_of(&mut self, table: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: see above; it is a table.
        unsafe { ffi::lua_rawset(self.0, table) };
    }

    /// Pops a value and makes it an element of the table below it.
    #[inline]
    pub(crate) fn set_element(&mut self, number: i32) {
        debug_assert_eq!(self.kind(-2), Kind::Table);
        // SAFETY: see above; it is a table.
        unsafe { ffi::lua_rawseti_(self.0, -2, number) };
    }

    /// Pushes the field of a table that has a constant's name, see [`Stack::push_constant`].
    #[inline]
    pub(crate) fn push_field(&mut self, table: i32, constant: i32) {
        debug_assert!(table > 0 && self.kind(table) == Kind::Table);
        self.push_constant(constant);
        // SAFETY: see above; it is a table.
        unsafe { ffi::lua_rawget(self.0, table) };
    }

    /// Pushes an element of a table.
    #[inline]
    pub(crate) fn push_element(&mut self, table: i32, number: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: see above; it is a table.
        unsafe { ffi::lua_rawgeti_(self.0, table, number) };
    }

    /// Pops a key and pushes the next one of a table and its value; nothing if it was the last.
    /// The first comes after nil.
    pub(crate) fn next(&mut self, table: i32) -> bool {
        debug_assert!(table > 0 && self.kind(table) == Kind::Table);
        // SAFETY: see above; it is a table.
        unsafe { ffi::lua_next(self.0, table) != 0 }
    }

    /// Protects a table against all changes, or lets it be changed again.
    pub(crate) fn set_protected(&mut self, table: i32, protected: bool) {
        if self.kind(table) == Kind::Table {
            // SAFETY: see above; it is a table.
            unsafe { lua_setreadonly(self.0, table, protected.into()) };
        }
    }

    /// Whether enough has been made since the last collection that the next one is worth its time.
    pub(crate) fn is_collection_due(&self) -> bool {
        // SAFETY: see above; it only compares numbers.
        unsafe { lua_isyoungdue(self.0) != 0 }
    }

    /// Frees what was made since the last collection and isn't referred to.
    pub(crate) fn collect(&mut self) {
        // SAFETY: see above; whatever is on a stack is referred to.
        unsafe { lua_collectyoung(self.0) };
    }

    /// Calls the function that lies below its arguments, with a result or an error in their place.
    /// The handler at a place makes an error of what was raised. Whether it went well.
    pub(crate) fn call(&mut self, arguments: i32, handler: i32) -> bool {
        debug_assert!(handler > 0 && handler < self.len() - arguments);
        // SAFETY: see above; there are as many values.
        unsafe { ffi::lua_pcall(self.0, arguments, 1, handler) == ffi::LUA_OK }
    }
}

/// Makes a function for scripts, which shares its memory with all of the interpreter's.
pub(crate) fn function<N: Native>(lua: &Lua) -> Result<Function> {
    function_of::<N>(lua, &memory::<N::Memory>(lua), 0)
}

/// Makes a function for scripts with this memory, which it keeps, and a number to tell it from
/// others that have the same.
pub(crate) fn function_of<N: Native>(
    lua: &Lua,
    memory: &Rc<RefCell<N::Memory>>,
    number: usize,
) -> Result<Function> {
    let keeper = lua.create_any_userdata(Rc::clone(memory))?;
    let memory = Rc::as_ptr(memory);
    // SAFETY: runs in protected mode with the keeper on the stack; what it pushes is what it
    // returns.
    unsafe {
        lua.exec_raw(keeper, |state| {
            ffi::lua_pushlightuserdata(state, memory.cast_mut().cast());
            ffi::lua_insert(state, -2);
            ffi::lua_pushnumber(state, number as f64);
            ffi::lua_pushcclosure(state, run_native::<N>, 3);
        })
    }
}

/// The memory that an interpreter's functions of one kind share. It lives as long as the
/// interpreter does.
pub(crate) fn memory<M: Default + 'static>(lua: &Lua) -> Rc<RefCell<M>> {
    let known = lua
        .app_data_ref::<Rc<RefCell<M>>>()
        .map(|it| Rc::clone(&it));
    known.unwrap_or_else(|| {
        let made = Rc::new(RefCell::new(M::default()));
        lua.set_app_data(Rc::clone(&made));
        made
    })
}

/// What Lua calls for a function of scripts.
unsafe extern "C-unwind" fn run_native<N: Native>(state: *mut lua_State) -> c_int {
    let mut stack = Stack(state);
    // SAFETY: `function_of` has made this upvalue; the other one keeps what it points to. There is
    // no other reference to it while `answer` has it: Lua's functions that it calls don't call
    // back. It isn't borrowed from the cell there, as an error of Lua's would leave it borrowed.
    let answer = unsafe {
        let memory = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast_const();
        let memory = &*memory.cast::<RefCell<N::Memory>>();
        N::work(&stack, &mut memory.borrow_mut());
        N::answer(&mut stack, &mut *memory.as_ptr())
    };
    match answer {
        Answer::Results(count) => count,
        // SAFETY: there is a value to raise, and this frame owns nothing.
        Answer::Error => unsafe { ffi::lua_error(state) },
    }
}

// Changes to Lua in third_party/lua-src.
unsafe extern "C-unwind" {
    fn lua_setreadonly(state: *mut lua_State, at: c_int, readonly: c_int);
    fn lua_stringat(state: *mut lua_State, at: c_int, len: *mut usize) -> *const c_char;
    fn lua_isyoungdue(state: *mut lua_State) -> c_int;
    fn lua_collectyoung(state: *mut lua_State);
}

/// Makes a function that returns the table it is given, from then on protected against changes or
/// not.
pub(crate) fn protecting(lua: &Lua, protected: bool) -> Result<Function> {
    let function = if protected { protect } else { unprotect };
    // SAFETY: both mind the rules of functions that Lua calls.
    unsafe { lua.create_c_function(function) }
}

unsafe extern "C-unwind" fn protect(state: *mut lua_State) -> c_int {
    Stack(state).set_protected(1, true);
    1
}

unsafe extern "C-unwind" fn unprotect(state: *mut lua_State) -> c_int {
    Stack(state).set_protected(1, false);
    1
}

/// A value that Lua keeps until it is dropped with [`forget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept(c_int);

/// Keeps a value.
pub(crate) fn keep(lua: &Lua, value: impl IntoLua) -> Result<Kept> {
    // SAFETY: runs in protected mode, with the value on top, which it takes.
    let number = unsafe {
        lua.exec_raw(value, |state| {
            let number = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
            ffi::lua_pushinteger(state, number.into());
        })
    };
    number.map(Kept)
}

/// Gives a value up.
pub(crate) fn forget(lua: &Lua, kept: Kept) {
    // SAFETY: runs in protected mode; a number that `keep` has given.
    let done: Result<()> = unsafe {
        lua.exec_raw((), |state| {
            ffi::luaL_unref(state, ffi::LUA_REGISTRYINDEX, kept.0);
        })
    };
    debug_assert!(done.is_ok(), "this takes no memory");
}

/// Makes the function under which [`protected`] works. The constants are for
/// [`Stack::push_constant`].
pub(crate) fn protection(lua: &Lua, constants: impl IntoLuaMulti) -> Result<Kept> {
    // SAFETY: runs in protected mode; all values become upvalues, far fewer than 255.
    let function: Function = unsafe {
        lua.exec_raw(constants, |state| {
            ffi::lua_pushcclosure(state, run_protected, ffi::lua_gettop(state));
        })
    }?;
    keep(lua, function)
}

/// Does some work with Lua's stack, on which it finds a value. What Lua raises ends it and is
/// returned as a message.
pub(crate) fn protected(
    lua: &Lua,
    protection: Kept,
    value: Kept,
    work: &mut dyn FnMut(&mut Stack),
) -> std::result::Result<(), String> {
    let state = lua.exec_raw_lua(mlua::state::RawLua::state);
    let mut work: *mut (dyn FnMut(&mut Stack) + '_) = work;
    // SAFETY: no function runs on this stack, so there are LUA_MINSTACK places; reading an element
    // of the registry raises nothing. `work` lives until the call returns.
    unsafe {
        ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, protection.0);
        ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, value.0);
        ffi::lua_pushlightuserdata(state, (&raw mut work).cast());
        if ffi::lua_pcall(state, 2, 0, 0) == ffi::LUA_OK {
            return Ok(());
        }
        let stack = Stack(state);
        let message = String::from_utf8_lossy(stack.bytes(-1)).into_owned();
        ffi::lua_settop(state, -2);
        Err(message)
    }
}

/// What Lua calls for [`protected`].
unsafe extern "C-unwind" fn run_protected(state: *mut lua_State) -> c_int {
    // SAFETY: scripts can't get at this function; `protected` has pushed the pointer.
    unsafe {
        let work: *mut *mut dyn FnMut(&mut Stack) = ffi::lua_touserdata(state, -1).cast();
        ffi::lua_settop(state, -2);
        (**work)(&mut Stack(state));
    }
    0
}
