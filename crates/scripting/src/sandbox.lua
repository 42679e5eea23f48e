-- What scripts see: the globals of Redis 7 and nothing else, none of which they can change.
--
-- A protected table is an empty one that looks up in the real one and refuses assignments. The
-- functions that look past metatables (rawset, next ...) are replaced by ones that know of that.
-- Runs once for each interpreter, with the native functions as its argument.

local native = ...
local READONLY = 'Attempt to modify a readonly table'

local error, type, rawset, rawget, next, pairs, select, tostring, pcall, xpcall, unpack =
      error, type, rawset, rawget, next, pairs, select, tostring, pcall, xpcall, unpack
local collectgarbage = collectgarbage
local getmetatable, setmetatable, concat = getmetatable, setmetatable, table.concat
local compile, caught, is_end = native.compile, native.caught, native.is_end
local real = setmetatable({}, {__mode = 'k'})   -- protected table -> what it stands for

local function protect(table, shown_meta)
  local shown = {}
  local meta = {
    __index = table,
    __newindex = function() error(READONLY, 2) end,
    __metatable = shown_meta or false,
  }
  real[shown] = table
  return setmetatable(shown, meta), meta
end

-- What was caught, as a Lua value: native functions raise values of the binding's.
local function results(ok, ...)
  if ok then return true, ... end
  return false, caught((...))
end

local globals = {
  _VERSION = _VERSION, assert = assert, error = error,
  gcinfo = gcinfo, ipairs = ipairs, rawequal = rawequal, select = select,
  tonumber = tonumber, tostring = tostring, type = type,
  __redis__err__handler = native.handler,
}
for _, name in ipairs({'coroutine', 'math', 'string', 'table'}) do globals[name] = _G[name] end
globals.os = {clock = os.clock}
globals.math.random, globals.math.randomseed = native.random, native.randomseed
for name, library in next, native.libraries do globals[name] = library end

function globals.pcall(run, ...) return results(pcall(run, ...)) end

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

-- Lua 5.1 computes the number of values in an int, which can be made to overflow (CVE-2025-46817).
function globals.unpack(list, first, last)
  if not (first or last) then return unpack(list) end
  if not ((last or #list) - (first or 1) < 7997) then error('too many results to unpack', 2) end
  return unpack(list, first, last)
end

function globals.getmetatable(value) return getmetatable(value) or nil end

function globals.setmetatable(table, meta)
  if real[table] then error(READONLY, 0) end
  return setmetatable(table, meta)
end

function globals.rawset(table, key, value)
  if real[table] then error(READONLY, 0) end
  return rawset(table, key, value)
end

function globals.rawget(table, key) return rawget(real[table] or table, key) end

function globals.next(table, key) return next(real[table] or table, key) end

function globals.pairs(table)
  local hidden = real[table]
  if not hidden then return pairs(table) end
  return function(_, key) return next(hidden, key) end, table, nil
end

local redis = native.redis
redis.breakpoint = function() return false end
redis.debug = function() end
redis.replicate_commands = function() return true end
for name, value in next, native.constants do redis[name] = value end
globals.redis, globals.server = redis, redis

for name, value in next, globals do
  if type(value) == 'table' then globals[name] = real[value] or (protect(value)) end
end
globals.server = globals.redis

local strings = getmetatable('')
strings.__metatable = protect({__index = globals.string})

-- Only what isn't there costs a call.
local strict = {__index = function(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end}
setmetatable(globals, strict)
local shown, shown_meta = protect(globals, protect({__index = strict.__index}))
globals._G = shown

-- Loads a library: meanwhile there is nothing but a `redis` that can register functions.
local loading = {register_function = native.register, log = redis.log}
for name, value in next, native.constants do loading[name] = value end
local registry = protect(setmetatable(loading, strict))
local while_loading = setmetatable({redis = registry, server = registry, _G = shown}, strict)

local function load_library(chunk)
  shown_meta.__index = while_loading
  local ok, err = xpcall(chunk, native.handler)
  shown_meta.__index = globals
  return ok, err
end

return shown, globals, load_library
