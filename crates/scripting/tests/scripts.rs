//! Scripts and what they answer, beside what Redis 7 answers; and scripts that must do no harm.

#![allow(clippy::unwrap_used)] // Integration tests are not #[cfg(test)] to clippy.

use std::collections::BTreeMap;
use std::sync::Arc;

use commands::{Args, OwnedArgs};
use protocol::Reply;
use scripting::{Called, Callee, Ended, Host, Interpreter, LogLevel, Progress, Script, Tick};

/// A keyspace of strings, and an end to patience.
#[derive(Default)]
struct Fake {
    data: BTreeMap<Vec<u8>, Vec<u8>>,
    /// How many more ticks a script gets before it ends; `None`: any number.
    patience: Option<u32>,
    /// Every tick puts the script aside.
    pauses: bool,
    was_paused: bool,
}

impl Host for Fake {
    fn call(&mut self, args: &OwnedArgs, resp3: bool, out: &mut Vec<u8>) -> Called {
        let (args, mut reply) = (args.borrow(), Reply::new(out, resp3));
        match args.at(0).to_ascii_lowercase().as_slice() {
            b"set" => {
                self.data.insert(args.at(1).to_vec(), args.at(2).to_vec());
                reply.ok();
            }
            b"get" => match self.data.get(args.at(1)) {
                Some(value) => reply.bulk(value),
                None => reply.null(),
            },
            b"all" => {
                reply.map(1);
                reply.bulk(b"k");
                reply.double(1.5);
            }
            b"many" => {
                reply.array(3);
                reply.int(1);
                reply.null();
                reply.bool(true);
            }
            b"late" if !std::mem::replace(&mut self.was_paused, true) => return Called::Later,
            b"late" => reply.int(1),
            _ => reply.error("ERR unknown"),
        }
        Called::Replied
    }

    fn may_run(&mut self, _: Args<'_>) -> Option<bool> {
        Some(true)
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn tick(&mut self) -> Tick {
        if self.pauses && !std::mem::replace(&mut self.was_paused, true) {
            return Tick::Suspend;
        }
        self.was_paused = false;
        match &mut self.patience {
            None => Tick::GoOn,
            Some(0) => Tick::End("killed"),
            Some(left) => {
                *left -= 1;
                Tick::GoOn
            }
        }
    }
}

const READONLY: &str = "-ERR user_script:1: Attempt to modify a readonly table";

struct Fixture {
    interpreter: Interpreter,
    host: Fake,
    resp3: bool,
}

impl Fixture {
    fn new() -> Self {
        Self::with_limit(0)
    }

    fn with_limit(memory_limit: usize) -> Self {
        Self {
            interpreter: Interpreter::new((7, 4, 2), memory_limit).unwrap(),
            host: Fake::default(),
            resp3: false,
        }
    }

    /// The reply in wire form, without what says where an error was raised.
    fn run(&mut self, text: &str) -> String {
        let reply = self.run_fully(text);
        reply.split(" script: ").next().unwrap().to_owned()
    }

    fn run_fully(&mut self, text: &str) -> String {
        let script = Callee::Script(Arc::new(Script::parse(text.as_bytes()).unwrap()));
        let (mut out, keys, args) = (Vec::new(), [&b"key"[..]], [&b"a"[..], b"b"]);
        let mut reply = Reply::new(&mut out, self.resp3);
        let (keys, args) = (keys.into_iter(), args.into_iter());
        let mut progress = self
            .interpreter
            .run(&script, keys, args, &mut self.host, &mut reply);
        while progress == Progress::Paused {
            progress = self.interpreter.resume(&mut self.host, &mut reply);
        }
        if let Progress::Ended(Ended::Failed(failure)) = progress {
            reply.error_bytes(&failure.text);
        }
        String::from_utf8_lossy(&out).trim_end().to_owned()
    }

    fn check(&mut self, expected: &[(&str, &str)]) {
        for (text, reply) in expected {
            assert_eq!(self.run(text), *reply, "{text}");
        }
    }
}

#[test]
fn values_become_replies() {
    Fixture::new().check(&[
        ("return 3.99", ":3"),
        ("return 1e30", ":-9223372036854775808"),
        ("return 'x'", "$1\r\nx"),
        ("return true", ":1"),
        ("return false", "$-1"),
        ("return {1,{2},nil,3}", "*2\r\n:1\r\n*1\r\n:2"),
        ("return {ok='fi\\nne'}", "+fi ne"),
        ("return {err='My Err'}", "-My Err"),
        ("return {err='-My Err'}", "--My Err"),
        ("return redis.error_reply('x')", "-ERR x"),
        ("return redis.status_reply('x')", "+x"),
        ("return {double=1.5}", "$3\r\n1.5"),
        ("return {KEYS[1], ARGV[2]}", "*2\r\n$3\r\nkey\r\n$1\r\nb"),
    ]);
    let mut fixture = Fixture::new();
    fixture.resp3 = true;
    fixture.check(&[
        ("redis.setresp(3) return true", "#t"),
        ("return true", ":1"),
        ("return {double=1.5}", ",1.5"),
        ("return {map={a=1}}", "%1\r\n$1\r\na\r\n:1"),
        ("return {set={a=true}}", "~1\r\n$1\r\na"),
        ("return {big_number='12'}", "(12"),
    ]);
}

#[test]
fn replies_become_values() {
    Fixture::new().check(&[
        ("return redis.call('set', 'k', 1.5).ok", "$2\r\nOK"),
        ("return redis.call('get', 'k')", "$3\r\n1.5"),
        ("return redis.call('get', 'none') == false", ":1"),
        ("return redis.call('many')", "*3\r\n:1\r\n$-1\r\n:1"),
        ("return redis.call('all')", "*2\r\n$1\r\nk\r\n$3\r\n1.5"),
        (
            "redis.setresp(3) return type(redis.call('get', 'none'))",
            "$3\r\nnil",
        ),
        (
            "redis.setresp(3) return redis.call('all').map.k.double * 2",
            ":3",
        ),
        ("return redis.pcall('x').err", "$11\r\nERR unknown"),
    ]);
}

#[test]
fn errors_say_where() {
    let sha = "ada89932db851ca262f39d814ce59006e53278cc";
    assert_eq!(
        Fixture::new().run_fully("error(\"x\")"),
        format!("-ERR user_script:1: x script: {sha}, on @user_script:1.")
    );
    let script = "local ok, err = pcall(redis.call, 'x') return {tostring(ok), err}";
    Fixture::new().check(&[
        ("\n\nreturn redis.call('x')", "-ERR unknown"),
        (script, "*2\r\n$5\r\nfalse\r\n$11\r\nERR unknown"),
        ("error({err='My Err'})", "-My Err"),
        ("error({})", "-ERR unknown error"),
        (
            "redis.call()",
            "-ERR Please specify at least one argument for this redis lib call",
        ),
        (
            "redis.call({})",
            "-ERR Lua redis lib command arguments must be strings or integers",
        ),
        (
            "x x",
            "-ERR Error compiling script (new function): user_script:1: '=' expected near 'x'",
        ),
    ]);
}

#[test]
fn globals_are_protected() {
    let readonly = READONLY;
    let bare = "-ERR Attempt to modify a readonly table";
    Fixture::new().check(&[
        ("x = 1", readonly),
        ("redis.call = 1", readonly),
        ("string.foo = 1", readonly),
        ("KEYS = 1", readonly),
        ("getmetatable(_G).__index = nil", readonly),
        ("getmetatable('').__index = nil", readonly),
        ("rawset(_G, 'a', 1)", bare),
        ("setmetatable(redis, {})", bare),
        (
            "return print",
            "-ERR user_script:1: Script attempted to access nonexistent global variable 'print'",
        ),
        ("return getmetatable(redis)", "$-1"),
        (
            "local n = 0 for k in pairs(redis) do n = n + 1 end return n > 15",
            ":1",
        ),
        ("KEYS[1] = 'x' return KEYS", "*1\r\n$1\r\nx"),
        ("return type(os.clock())", "$6\r\nnumber"),
        ("return {(next(os))}", "*1\r\n$5\r\nclock"),
    ]);
}

#[test]
fn libraries_answer_as_redis_does() {
    let hex = "local function h(s) return (s:gsub('.', function(c) \
               return ('%02x'):format(c:byte()) end)) end ";
    let packed = |value: &str| format!("{hex} return h(cmsgpack.pack({value}))");
    let laid_out = |call: &str| format!("{hex} return h(struct.pack({call}))");
    let error = |text: &str| format!("-ERR user_script:1: {text}");
    let mut fixture = Fixture::new();
    let mut check = |script: &str, reply: &str| {
        let reply = match reply.strip_prefix('-') {
            Some(_) => reply.to_owned(),
            None => format!("${}\r\n{reply}", reply.len()),
        };
        assert_eq!(fixture.run(script), reply, "{script}");
    };
    check("return cjson.encode({1,2,nil,4})", "[1,2,null,4]");
    check("return cjson.encode({0.1,1e20,-0})", "[0.1,1e+20,-0]");
    check(r"return cjson.encode('a/\0\127')", r#""a\/\u0000\u007f""#);
    check("return cjson.encode({[1]=1,x=2})", r#"{"1":1,"x":2}"#);
    check(
        r#"return cjson.encode(cjson.decode('[1,{"a":null,"b":[]}]'))"#,
        r#"[1,{"a":null,"b":{}}]"#,
    );
    check(
        "return cjson.encode({[11]=1})",
        &error("Cannot serialise table: excessively sparse array"),
    );
    check(
        "return cjson.decode('[1 2]')",
        &error("Expected comma or array end but found T_NUMBER at character 4"),
    );
    check(
        "local t = {} t.a = t return cjson.encode(t)",
        &error("Cannot serialise, excessive nesting (1001)"),
    );
    check(&packed("-33"), "d0df");
    check(&packed("4294967296"), "cf0000000100000000");
    check(&packed("0.1"), "cb3fb999999999999a");
    check(&packed("{1,2,nil,4}"), "83010102020404");
    check(
        "return cmsgpack.unpack('\\193')",
        &error("Bad data format in input."),
    );
    check(&laid_out("'>I2I4', 1, 2"), "000100000002");
    check(&laid_out("'!bi', 1, 2"), "0100000002000000");
    check(
        "return struct.unpack('c0', 'abc')",
        &error("format 'c0' needs a previous size"),
    );
    check("return bit.tohex(0xdeadbeef, -4)", "BEEF");
    check("return tostring(bit.bswap(0x12345678))", "2018915346");
}

#[test]
fn what_has_crashed_lua_does_no_harm() {
    let mut fixture = Fixture::new();
    // CVE-2025-46817: the number of values overflows.
    for range in [
        "0, 2147483647",
        "-2147483648, 2147483647",
        "0/0, 1e9",
        "1, 1e8",
    ] {
        let reply = fixture.run(&format!("return unpack({{}}, {range})"));
        assert!(reply.ends_with("too many results to unpack"), "{reply}");
    }
    // CVE-2025-46818: metatables of the basic types are shared by all scripts.
    fixture.check(&[
        (
            "getmetatable('').__add = 1",
            "-ERR user_script:1: Attempt to modify a readonly table",
        ),
        ("return getmetatable(1)", "$-1"),
    ]);
    // CVE-2025-46819: a long bracket whose level overflows.
    let bracket = |signs: usize| {
        format!(
            "local signs = string.rep('=', {signs}) \
             local run, why = loadstring('return [' .. signs .. '[x]' .. signs .. ']', '=c') \
             return run and run() or why"
        )
    };
    assert_eq!(fixture.run(&bracket(10_000)), "$1\r\nx");
    let reply = fixture.run(&bracket(10_001));
    assert!(
        reply.contains("c:1: too many '=' in a long bracket"),
        "{reply}"
    );
    // CVE-2025-49844: the name of a chunk is collected while the chunk is parsed.
    let parse = "for i = 1, 300 do loadstring(string.rep('local a = {} ', 99), 'n' .. i) end \
                 collectgarbage() return 1";
    assert_eq!(fixture.run(parse), ":1");
    // Bytecode isn't checked by anyone.
    assert_eq!(
        fixture.run("return loadstring(string.dump(function() end))"),
        "$-1"
    );
    assert_eq!(fixture.run("return redis.sha1hex('')").len(), 45);
}

#[test]
fn depth_ends_in_an_error() {
    let mut fixture = Fixture::new();
    let nested = "local function f(s) return (s:gsub('.', f)) end return f('x')";
    for script in [
        "local function f() f() return 1 end f()",
        "local function f() pcall(f) return 1 end return f()",
        nested,
        "local t = {} t[1] = t return t",
    ] {
        let reply = fixture.run(script);
        assert!(!reply.is_empty(), "{script}");
        assert_eq!(fixture.run("return 1"), ":1");
    }
}

/// Scripts that want more memory or more stack than there is, and ones that nest too deep.
const GREEDY: [&str; 16] = [
    "return string.rep('x', 2 ^ 31)",
    "return #string.rep('x', 1e9)",
    "local s = 'x' while true do s = s .. s end",
    "local t = {} for i = 1, 1e9 do t[i] = i end",
    "local t = {} while true do t[#t + 1] = {t} end",
    "local t = {} for i = 1, 200 do t[i] = string.rep('x', 1e6) end return #table.concat(t)",
    "while true do local ok = pcall(string.rep, 'x', 1e9) if not ok then return 1 end end",
    "local t, s = {}, string.rep('x', 1e6) for i = 1, 1e6 do t[i] = s .. i end",
    "return (string.rep('x', 6e6):gsub('x', string.rep('y', 100)))",
    "return string.format('%99999d', 1)",
    "return cjson.decode(string.rep('[', 1e6))",
    "local t = {} for i = 1, 1e5 do t = {t} end return cjson.encode(t)",
    "local t = {} for i = 1, 1e5 do t = {t} end return cmsgpack.pack(t)",
    "local t = {} for i = 1, 1e5 do t = {t} end return t",
    "local function f() return coroutine.wrap(f)() end return f()",
    "local f = 'return ' .. string.rep('(', 1e5) return loadstring(f) or 1",
];

#[test]
fn memory_has_a_limit() {
    const LIMIT: usize = 32 << 20;
    let mut fixture = Fixture::with_limit(LIMIT);
    for script in GREEDY {
        let reply = fixture.run(script);
        assert!(!reply.is_empty(), "{script}");
        assert!(fixture.interpreter.used_memory() < LIMIT / 2, "{script}");
        assert_eq!(fixture.run("return redis.call('set', 'a', 'b')"), "+OK");
    }
    assert_eq!(
        fixture.run("return #string.rep('x', 1e9)"),
        "-ERR script needs more memory than scripts may have (--lua_mem_limit)"
    );
    // Many scripts, each of which stays compiled.
    for number in 0..200 {
        let script = format!("return {number} --[[{}]]", "local a = 1 ".repeat(20));
        assert_eq!(fixture.run(&script), format!(":{number}"));
    }
    let literals = (0..2000)
        .map(|at| format!("'{at:0>600}',"))
        .collect::<String>();
    for number in 0..40 {
        let script = format!("local t = {{{literals}}} return #t + {number}");
        assert_eq!(fixture.run(&script), format!(":{}", 2000 + number));
    }
}

#[test]
fn a_reply_that_finds_no_memory_is_an_error() {
    let mut fixture = Fixture::with_limit(8 << 20);
    let value = "x".repeat(3 << 20);
    fixture
        .host
        .data
        .insert(b"big".to_vec(), value.into_bytes());
    let script = "local t = {} for i = 1, 100 do t[i] = redis.call('get', 'big') .. i end";
    assert!(
        fixture
            .run(script)
            .starts_with("-ERR script needs more memory")
    );
    let caught = "local t = {} local ok, e = pcall(function() \
                  for i = 1, 100 do t[i] = redis.call('get', 'big') .. i end end) \
                  t = nil return tostring(e)";
    assert_eq!(fixture.run(caught), "$17\r\nnot enough memory");
    assert_eq!(fixture.run("return #redis.call('get', 'big')"), ":3145728");
}

#[test]
fn nothing_keeps_a_script_that_is_to_end() {
    for script in [
        "while true do end",
        "repeat until false",
        "for _ in function() return 1 end do end",
        "local function f() return f() end return f()",
        "local function f(n) return n < 2 and n or f(n - 1) + f(n - 2) end return f(100)",
        "local t = {} for i = 1, 30000 do t[i] = i * 7919 % 20011 end for _ = 1, 100 do \
            table.sort(t, function(a, b) return a > b end) \
            table.sort(t, function(a, b) return a < b end) end",
        "return string.gsub(string.rep('x', 1000000), '.', function() end)",
        "while true do pcall(function() while true do end end) end",
        "local function f() while true do end end while true do xpcall(f, f) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local f = coroutine.wrap(function() while true do end end) while true do pcall(f) end",
    ] {
        let mut fixture = Fixture::new();
        fixture.host.patience = Some(3);
        assert_eq!(fixture.run(script), "-ERR killed", "{script}");
        fixture.host.patience = None;
        assert_eq!(fixture.run("return 1"), ":1");
    }
}

#[test]
fn numbers_become_texts() {
    let texts: Vec<String> = [
        ("0 * tonumber('-1')", "-0"),
        ("-7", "-7"),
        ("1e14 - 1", "99999999999999"),
        ("1 - 1e14", "-99999999999999"),
        ("1e14", "1e+14"),
        ("-1e15", "-1e+15"),
        ("2^53", "9.007199254741e+15"),
        ("123456.5", "123456.5"),
        ("1 / tonumber('0')", "inf"),
    ]
    .iter()
    .map(|(number, text)| format!("if {number} .. '' ~= '{text}' then return {number} .. '' end"))
    .collect();
    Fixture::new().check(&[(&format!("{} return 'all'", texts.join("\n")), "$3\r\nall")]);
}

#[test]
fn remainders_have_the_sign_of_the_divisor() {
    // What Redis answers. Through variables: constants are computed when the script is compiled.
    let script = "local a, b = {7, -7, 7, -7, 5.5, -0.5, 6, -6, 0, 1e300, 1e16}, \
        {3, 3, -3, -3, 2, 3, 3, 3, 5, 7, 3} \
        local found = {} for i = 1, #a do found[i] = tostring(a[i] % b[i]) end \
        found[#found + 1] = tostring((a[9] * a[2]) % b[1]) \
        found[#found + 1] = tostring(a[1] % (a[9] * 1) == a[1]) \
        return table.concat(found, ' ')";
    let found = "1 2 -2 -1 1.5 2.5 0 0 0 0 0 0 false";
    Fixture::new().check(&[(script, &format!("${}\r\n{found}", found.len()))]);
}

#[test]
fn fields_have_the_order_that_they_have_in_redis() {
    let script = "local t = {} for i = 1, 20 do t['key:' .. i] = i end \
        for i = 1, 4 do t[string.rep('long', 9 + i) .. i] = i end \
        local names = {} for name in pairs(t) do names[#names + 1] = name:gsub('%l', '') end \
        return table.concat(names, ' ')";
    let order = "4 :13 :8 :19 :7 :2 :20 :11 2 :14 :15 :6 :17 :18 :1 :10 1 :9 :12 3 :5 :3 :16 :4";
    let expected = format!("${}\r\n{order}", order.len());
    Fixture::new().check(&[(script, &expected)]);
}

#[test]
fn functions_share_what_they_see() {
    // More of them than upvalues are found at once; each function sees the last two names.
    let functions = (2..80).map(|n| {
        let (before, last) = (n - 2, n - 1);
        format!(
            "local v{n} = 0 local function f{n}() v{n} = (v{before} + v{last}) % 1000 end f{n}()\n"
        )
    });
    let mut script: String = functions.collect();
    script.insert_str(0, "local v0, v1 = 1, 1\n");
    script += "f2() v2 = v2 + 1 f3() return v79 * 10000 + v3";
    let (mut last, mut this) = (1, 1);
    for _ in 2..80 {
        (last, this) = (this, (last + this) % 1000);
    }
    Fixture::new().check(&[
        (&script, &format!(":{}", this * 10000 + 4)),
        (
            "local fs, sum = {}, 0 for i = 1, 200 do local a, b = i, -i \
          fs[i] = function(d) a = a + d return a + b end end \
          for i = 1, 200 do fs[i](i) collectgarbage('step') end \
          for i = 1, 200 do sum = sum + fs[i](0) end return sum",
            ":20100",
        ),
        (
            "local fs, cos, sum = {}, {}, 0 for i = 1, 100 do \
          cos[i] = coroutine.wrap(function() local v = i fs[i] = function() v = v + 1 return v end \
            coroutine.yield() local w = function() v = v * 2 end w() coroutine.yield() end) \
          cos[i]() if i % 10 == 0 then collectgarbage() end end \
          for i = 1, 100 do fs[i]() if i % 2 == 0 then cos[i]() else cos[i] = nil end end \
          collectgarbage() for i = 1, 100 do sum = sum + fs[i]() end return sum",
            // Odd ones are i + 2, even ones (i + 1) * 2 + 1.
            ":7850",
        ),
    ]);
}

#[test]
fn scripts_go_on_where_they_were_put_aside() {
    let mut fixture = Fixture::new();
    fixture.host.pauses = true;
    let count = "local n = 0 for i = 1, 3000000 do n = n + 1 end return n";
    fixture.check(&[
        (count, ":3000000"),
        (
            "return select(2, pcall(function() local n = 0 for i = 1, 1000000 do n = n + 1 end \
          redis.call('set', 'n', n) return redis.call('get', 'n') end))",
            "$7\r\n1000000",
        ),
        (
            "local t = {} for i = 1, 20000 do t[i] = (i * 7919) % 20011 end \
          table.sort(t, function(a, b) return a < b end) return t[1]",
            ":1",
        ),
    ]);
}

#[test]
fn a_command_that_has_to_wait_puts_the_script_aside() {
    Fixture::new().check(&[
        ("return redis.call('late') + 1", ":2"),
        ("return select(2, pcall(redis.pcall, 'late'))", ":1"),
    ]);
}

#[test]
fn an_interpreter_may_go_while_a_script_is_put_aside() {
    let mut fixture = Fixture::new();
    fixture.host.pauses = true;
    let script = Script::parse(b"pcall(function() while true do end end)").unwrap();
    let callee = Callee::Script(Arc::new(script));
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, false);
    let none = std::iter::empty::<&[u8]>;
    let progress = fixture
        .interpreter
        .run(&callee, none(), none(), &mut fixture.host, &mut reply);
    assert_eq!(progress, Progress::Paused);
    drop(fixture);
}
