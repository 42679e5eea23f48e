"""Many short scripts, each of which has to answer as redis-server 7.0 does."""

import itertools
import os

import pytest
import redis
from conftest import servers

REDIS = os.path.join(servers.ROOT, ".cache", "bin", "redis-server")

NUMBERS = """0 -0 1 -1 0.1 1/3 1e15 1e16 1e17 123456789012345 1234567890123456 2^31 2^32 2^53 2^63
    -2^63 3.99 -3.99 100000 0.5 65536 -32769 -129 127 128 255 256 -128 1e-7""".split()
OF_NUMBERS = ["return {}", "return tostring({})", "return cjson.encode({{{}}})",
              "return cmsgpack.pack({})", "return redis.call('set', 'n', {})",
              "redis.call('set', 'n', {}) return redis.call('get', 'n')", "return bit.tobit({})",
              "return bit.tohex({})", "return struct.pack('>l', {})", "return struct.pack('d', {})",
              "return {{double={}}}", "return cmsgpack.unpack(cmsgpack.pack({}))"]
JSON = ["[1,2,3]", '{"a":{"b":[1,null,true,false,"x\\u00e9\\n"]}}', "[]", "{}", "null", "1", "1e5",
        "[1.5e3]", "-0", "0x10", "01", "[1,]", "{a:1}", '"\\ud83d\\ude00"', '"\\ud83d"', '"\\x"',
        "[", "", "no", "[[[[]]]]", "[1] x", " [ 1 ] "]
OF_JSON = ["return cjson.encode(cjson.decode([==[{}]==]))",
           "return type(cjson.decode([==[{}]==]))"]
VALUES = ["nil", "true", "false", "''", "'a'", "{1,2}", "{a=1}", "{[1]=1,[2]=2,[4]=4}", "{1,nil,3}",
          "{{{}}}", "string.rep('x',31)", "string.rep('x',256)", "cjson.null", "{[1.5]=2}",
          "{ok='a'}", "{err='a'}", "{err='-a b'}", "{ok=1}", "{map={a=1}}", "{set={1,2}}",
          "{double=1.5}", "{big_number='123'}", "{verbatim_string={format='txt',string='x'}}",
          "{[0]=1}", "'a\\r\\nb'", "redis.error_reply('x y')", "redis.error_reply('-x y')",
          "redis.error_reply('x')", "redis.status_reply('x')", "redis.error_reply()"]
OF_VALUES = ["return {}", "return cjson.encode({})", "return cmsgpack.pack({})",
             "return redis.call('set', 'v', {})", "return redis.pcall('set', 'v', {})",
             "redis.setresp(3) return {}",
             "local ok, e = pcall(redis.call, {}) return {{type(e), e}}",
             "local ok, e = pcall(error, {}) return type(e)", "return unpack({})",
             "return redis.setresp({})", "return struct.unpack('i', {})"]
FORMATS = ["i", "<i4", ">i2", "b", "h", "L", "s", "c3", "c0", "bc0", "x", "!4bi", "!8bd", "f", "i0",
           "i33", "(", "", "=i", " i"]
OF_FORMATS = ["return struct.pack('{}', 1, 2)", "return struct.size('{}')",
              "return {{struct.unpack('{}', '\\1\\2\\3\\4\\5\\6\\7\\8\\9\\0')}}"]
OTHERS = [
    "x = 1", "return y", "redis.x = 1", "_G.x = 1", "rawset(_G, 'x', 1)", "setmetatable(_G, {})",
    "getmetatable(_G).__index = nil", "getmetatable('').__index = nil", "string.x = 1",
    "table.insert(redis, 1)", "KEYS[1] = 'z' return KEYS", "return type(getmetatable(''))",
    "return redis.call('nonsense')", "return redis.call('get')", "return redis.call('multi')",
    "redis.call('set', 's', 'x') redis.call('lpush', 's', 1)",
    "redis.call('set', 's', 'x') return redis.pcall('lpush', 's', 1)",
    "redis.setresp(3) return redis.call('hgetall', 'none')",
    "redis.setresp(3) redis.call('sadd', 'set', 'a') return redis.call('smembers', 'set')",
    "redis.call('zadd', 'z', 2.5, 'b') redis.setresp(3) return redis.call('zscore', 'z', 'b')",
    "return {unpack({1, 2, 3}, -1, 1)}", "return unpack({}, 0, 2147483647)",
    "return {unpack({}, 1, 8000)}", "return select(2, loadstring('x x'))", "local x return x.y",
    "return 'a' + 1", "return 1 < 'a'", "return string.format('%99999d', 1)", "error('x', 2)",
    "return {xpcall(function() error('x') end, function(e) return 'h' .. e end)}",
    "local co = coroutine.create(function() error('x') end) return {coroutine.resume(co)}",
    "#!lua flags=no-writes\nreturn redis.call('set', 'a', 'b')", "return", "syntax error here",
]


def _snippets():
    for forms, values in ((OF_NUMBERS, NUMBERS), (OF_JSON, JSON), (OF_VALUES, VALUES),
                          (OF_FORMATS, FORMATS)):
        for form, value in itertools.product(forms, values):
            yield form.format(value)
    yield from OTHERS


def _answer(client, script):
    client.flushall()
    try:
        return client.execute_command("EVAL", script, 1, "key", "arg")
    except redis.ResponseError as error:
        return f"error: {error}"


@pytest.mark.skipif(not os.path.exists(REDIS), reason="there is no redis-server to compare with")
@pytest.mark.parametrize("protocol", [2, 3])
def test_scripts_answer_as_in_redis(server, protocol):
    with servers.Server(REDIS) as peer:
        ours = redis.Redis(port=server.port, protocol=protocol)
        theirs = redis.Redis(port=peer.port, protocol=protocol)
        for script in _snippets():
            assert _answer(ours, script) == _answer(theirs, script), script
