//! What functions keep from run to run stays, and what scripts leave behind goes: the collector
//! works between runs and knows which objects are old, see `lgc.c` in third_party/lua-src.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

use std::collections::BTreeMap;
use std::sync::Arc;

use commands::{Args, OwnedArgs};
use protocol::Reply;
use scripting::{
    Called, Callee, Ended, Host, Interpreter, Library, LogLevel, Progress, Script, Tick,
};

/// Keeps values in all the ways in which objects refer to each other.
const LIBRARY: &str = "#!lua name=keep
local kept, shared, count = {}, {}, 0
local weak

local ways = {
  table = function(value) local t = {value .. ''} return function() return t[1] end end,
  upvalue = function(value)
    local v = 'x'
    local function set(to) v = to end
    set(value .. '')
    return function() return v end
  end,
  coroutine = function(value)
    local co = coroutine.wrap(function(v) while true do coroutine.yield(v) end end)
    local text = value .. ''
    return function() return co(text) end
  end,
  dead_coroutine = function(value)
    local get
    coroutine.resume(coroutine.create(function()
      local v = value .. ''
      get = function() return v end
      coroutine.yield()
    end))
    return get
  end,
  metatable = function(value)
    local t = setmetatable({}, {__index = {v = value .. ''}})
    return function() return t.v end
  end,
  shared = function(value)
    shared[#shared + 1] = {[value .. ''] = value .. ''}
    local at = #shared
    return function() return (next(shared[at])) end
  end,
  text = function(value) return value .. '' end,
}

local function read(name)
  local get = kept[name]
  if type(get) == 'function' then get = get() end
  return get or false
end

redis.register_function('put', function(keys, args)
  weak = weak or setmetatable({}, {__mode = 'v'})
  if kept[keys[1]] == nil then count = count + 1 end
  kept[keys[1]] = ways[args[1]](args[2])
  weak[keys[1]] = kept[keys[1]]
  return read(keys[1])
end)

redis.register_function('take', function(keys)
  local value = read(keys[1])
  if value then
    kept[keys[1]] = nil
    count = count - 1
  end
  return value
end)

redis.register_function('sum', function()
  local names = 0
  for name, get in pairs(kept) do
    if type(get) == 'function' and weak[name] ~= get then error('weak: ' .. name) end
    read(name)
    names = names + 1
  end
  return {names, count}
end)
";

const WAYS: [&str; 7] = [
    "table",
    "upvalue",
    "coroutine",
    "dead_coroutine",
    "metatable",
    "shared",
    "text",
];

/// Leaves much behind: strings, tables, closures, coroutines, a weak table, and errors that are
/// caught.
const LITTER: &str = "
local all, seen = {}, setmetatable({}, {__mode = 'k'})
for i = 1, 40 do
  local t = {i, tostring(i) .. KEYS[1]}
  t.self = function() return t[2] end
  all[i] = t
  seen[t] = i
end
local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(all[i].self()) end end)
pcall(redis.call)
pcall(error, {})
return cjson.encode({co(), co(), #all, cmsgpack.unpack(cmsgpack.pack({1, {a = 'b'}}))[2].a})";

struct NoCommands;

impl Host for NoCommands {
    fn call(&mut self, _: &OwnedArgs, _: bool, out: &mut Vec<u8>) -> Called {
        out.extend_from_slice(b"-ERR none\r\n");
        Called::Replied
    }

    fn may_run(&mut self, _: Args<'_>) -> Option<bool> {
        None
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn tick(&mut self) -> Tick {
        Tick::GoOn
    }
}

struct Fixture {
    interpreter: Interpreter,
    library: Arc<Library>,
}

impl Fixture {
    fn new() -> Self {
        let mut interpreter = Interpreter::new((7, 4, 2), 0).unwrap();
        let library = interpreter.load_library(LIBRARY.as_bytes()).unwrap();
        Self {
            interpreter,
            library,
        }
    }

    fn run(&mut self, callee: &Callee, key: &str, args: &[&str]) -> String {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, false);
        let keys = [key.as_bytes()].into_iter();
        let args = args.iter().map(|arg| arg.as_bytes());
        let run = &mut self.interpreter;
        match run.run(callee, keys, args, &mut NoCommands, &mut reply) {
            Progress::Ended(Ended::Replied) => String::from_utf8(out).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn function(&mut self, name: &str, key: &str, args: &[&str]) -> String {
        let at = self.library.functions.iter();
        let at = at.clone().position(|info| info.name == name).unwrap();
        self.run(&Callee::Function(Arc::clone(&self.library), at), key, args)
    }
}

/// Numbers that look random, the same ones with every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

fn bulk(value: &str) -> String {
    format!("${}\r\n{value}\r\n", value.len())
}

#[test]
fn what_functions_keep_outlives_what_scripts_leave() {
    let (mut fixture, mut dice) = (Fixture::new(), Dice(7));
    let litter = Callee::Script(Arc::new(Script::parse(LITTER.as_bytes()).unwrap()));
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    for round in 0..20_000 {
        // Now and then there are fewer names, so that what is kept grows and shrinks.
        let key = format!(
            "key{}",
            dice.below(if round % 5000 < 3000 { 800 } else { 50 })
        );
        match dice.below(8) {
            0..=2 => {
                let value = format!("value {round}");
                let way = WAYS[dice.below(WAYS.len() as u64) as usize];
                let reply = fixture.function("put", &key, &[way, &value]);
                assert_eq!(reply, bulk(&value), "{way}");
                model.insert(key, value);
            }
            3..=4 => {
                let expected = model.remove(&key).map_or("$-1\r\n".into(), |v| bulk(&v));
                assert_eq!(fixture.function("take", &key, &[]), expected);
            }
            5 if round % 100 == 0 => {
                let count = model.len();
                let reply = fixture.function("sum", &key, &[]);
                assert_eq!(reply, format!("*2\r\n:{count}\r\n:{count}\r\n"));
            }
            _ => {
                let reply = fixture.run(&litter, &key, &[]);
                let expected = format!(r#"["1{key}","2{key}",40,"b"]"#);
                assert_eq!(reply, bulk(&expected));
            }
        }
    }
}

#[test]
fn what_scripts_leave_is_freed() {
    let mut fixture = Fixture::new();
    let litter = Callee::Script(Arc::new(Script::parse(LITTER.as_bytes()).unwrap()));
    let mut most = 0;
    for round in 0..5000 {
        let key = format!("key{round}");
        fixture.run(&litter, &key, &[]);
        most = most.max(fixture.interpreter.used_memory());
    }
    // Each run leaves some 10 kB.
    assert!(most < 4 << 20, "{most} bytes were used");
}
