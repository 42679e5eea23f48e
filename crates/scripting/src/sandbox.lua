-- What scripts see: the globals of Redis 7 and nothing else, none of which they can change.
--
-- A protected table is an empty one that looks up in the real one and refuses assignments. The
-- functions that look past metatables (rawset, next ...) are replaced by ones that know of that.
-- Runs once for each interpreter, with the native functions as its argument.

local native = ...
local READONLY = 'Attempt to modify a readonly table'

local error, type, rawset, rawget, next, pairs, select, tostring, xpcall =
      error, type, rawset, rawget, next, pairs, select, tostring, xpcall
local getmetatable, setmetatable, concat = getmetatable, setmetatable, table.concat
local compile, fail_position = native.compile, native.position
local real = setmetatable({}, {__mode = 'k'})   -- protected table -> what it stands for

local function protect(table, missing)
  local shown = {}
  real[shown] = table
  setmetatable(shown, {
    __index = missing or table,
    __newindex = function() error(READONLY, 2) end,
    __metatable = false,
  })
  return shown
end

-- A native function as scripts see it: what it returns behind `true` is raised.
local function raising(run)
  return function(...)
    local value, failed = run(...)
    if failed then error(value, 0) end
    return value
  end
end

-- The same for a native function that returns any number of values: the first says whether it failed.
local function raise_or_return(failed, ...)
  if failed then error((...), 0) end
  return ...
end
local function raising_many(run)
  return function(...) return raise_or_return(run(...)) end
end

local globals = {
  _VERSION = _VERSION, assert = assert, collectgarbage = collectgarbage, error = error,
  gcinfo = gcinfo, ipairs = ipairs, pcall = pcall, rawequal = rawequal, select = select,
  tonumber = tonumber, tostring = tostring, type = type, xpcall = xpcall,
  __redis__err__handler = native.handler,
}
for _, name in ipairs({'coroutine', 'math', 'string', 'table'}) do globals[name] = _G[name] end
globals.os = {clock = os.clock}
globals.math.random, globals.math.randomseed = raising(native.random), native.randomseed
for name, functions in next, native.libraries do
  local library = {}
  for key, value in next, functions do
    library[key] = type(value) == 'function' and raising_many(value) or value
  end
  globals[name] = library
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

globals.unpack = native.unpack and raising_many(native.unpack) or unpack

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

local api = native.redis
local redis = {
  call = raising(api.command),
  pcall = function(...) return (api.command(...)) end,
  breakpoint = function() return false end,
  debug = function() end,
  replicate_commands = function() return true end,
}
for _, name in ipairs({'acl_check_cmd', 'log', 'sha1hex', 'setresp', 'set_repl', 'error_reply',
                       'status_reply', 'register_function'}) do
  redis[name] = api[name] and raising(api[name])
end
for name, value in next, native.constants do redis[name] = value end
globals.redis, globals.server = redis, redis

for name, value in next, globals do
  if type(value) == 'table' then globals[name] = real[value] or protect(value) end
end
globals.server = globals.redis

local strings = getmetatable('')
strings.__metatable = protect({__index = globals.string})

local function missing(_, name)
  local value = globals[name]
  if value == nil then
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
  end
  return value
end
local shown = protect(globals, missing)
globals._G = shown
getmetatable = nil

-- Runs a script.
local function run(script, keys, argv)
  globals.KEYS, globals.ARGV = keys, argv
  return xpcall(script, native.handler)
end

-- Runs a function of a library.
local function call(run, keys, args)
  return xpcall(function() return run(keys, args) end, native.handler)
end

return shown, run, call
