-- What scripts see: the globals of Redis 7 and nothing else, none of which they can change.
--
-- Runs once for each interpreter, with the native functions as its argument.

local native = ...

local error, type, next, tostring, pcall, xpcall, setfenv =
      error, type, next, tostring, pcall, xpcall, setfenv
local collectgarbage = collectgarbage
local getmetatable, setmetatable, concat = getmetatable, setmetatable, table.concat
local compile, caught, is_end = native.compile, native.caught, native.is_end
local protect, unprotect = native.protect, native.unprotect

-- What was caught, as a Lua value: native functions raise values of the binding's.
local function results(ok, ...)
  if ok then return true, ... end
  return false, caught((...))
end

local globals = {
  _VERSION = _VERSION, assert = assert, error = error,
  gcinfo = gcinfo, getmetatable = getmetatable, ipairs = ipairs, next = next, pairs = pairs,
  rawequal = rawequal, rawget = rawget, rawset = rawset, select = select,
  setmetatable = setmetatable, tonumber = tonumber, tostring = tostring, type = type,
  unpack = unpack,
  __redis__err__handler = native.handler,
}
for _, name in ipairs({'coroutine', 'math', 'string', 'table'}) do globals[name] = _G[name] end
globals.os = {clock = os.clock}
globals.math.random, globals.math.randomseed = native.random, native.randomseed
for name, library in next, native.libraries do globals[name] = library end

-- Scripts that are older than tables as errors expect their text, which Redis gives them.
local function text_results(ok, ...)
  if ok then return true, ... end
  local err = caught((...))
  local text = type(err) == 'table' and err.err
  local is_text = type(text) == 'string' or type(text) == 'number'
  return false, is_text and text or err
end

function globals.pcall(run, ...) return text_results(pcall(run, ...)) end

function globals.xpcall(run, handler)
  return results(xpcall(run, function(err)
    if is_end(err) then return err end
    return handler(caught(err))
  end))
end

local resume = coroutine.resume
function globals.coroutine.resume(...) return results(resume(...)) end

-- A collector that stands still would do so for all scripts that follow.
function globals.collectgarbage(what, ...)
  if what == 'stop' then return 0 end
  return collectgarbage(what, ...)
end

-- Scripts are text: what string.dump makes can't be loaded.
function globals.loadstring(text, name) return compile(text, name or text) end

function globals.load(read, name)
  if type(read) ~= 'function' then
    error("bad argument #1 to 'load' (function expected, got " .. type(read) .. ')', 2)
  end
  local pieces = {}
  for piece in read do
    if piece == '' then break end
    pieces[#pieces + 1] = piece
  end
  return compile(concat(pieces), name or '=(load)')
end

local redis = native.redis
redis.breakpoint = function() return false end
redis.debug = function() end
redis.replicate_commands = function() return true end
for name, value in next, native.constants do redis[name] = value end
globals.redis, globals.server = redis, redis

-- What functions of libraries see: they have no KEYS and ARGV.
local for_functions = {}
for name, value in next, globals do
  for_functions[name] = value
  if type(value) == 'table' then protect(value) end
end
protect(getmetatable(''))

-- Only what isn't there costs a call.
local function missing(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end
local strict = protect({__index = missing})
globals._G, globals.KEYS, globals.ARGV = globals, {}, {}
protect(setmetatable(globals, strict))

-- Loads a library: meanwhile there is nothing but a `redis` that can register functions.
local loading = {register_function = native.register, log = redis.log}
for name, value in next, native.constants do loading[name] = value end
protect(setmetatable(loading, strict))
local meta = {}
local library_globals = protect(setmetatable({}, meta))
for_functions._G = library_globals
protect(setmetatable(for_functions, strict))
local while_loading = {redis = loading, server = loading, _G = library_globals}
protect(setmetatable(while_loading, strict))

local function see(what)
  unprotect(meta).__index = what
  protect(meta)
end
see(for_functions)

local function load_library(chunk)
  see(while_loading)
  local ok, err = xpcall(setfenv(chunk, library_globals), native.handler)
  see(for_functions)
  return ok, err
end

return globals, load_library
