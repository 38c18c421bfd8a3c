"""Scripts that try to leave their sandbox, or to take the server with them.

Where redis-server 7.0.15 answers with an error, Larder does too, with the same words in it; where
redis-server spends gigabytes, never comes back or dies (a recursive pattern ends it with a
segmentation fault), the test is Larder's alone. After every abuse the next script, by another
client, finds the library tables as they were.
"""

import pytest

from servers import Server, wait_until
from weight import resident_bytes
from wire import ErrorReply, Wire, packed

READ_ONLY = "Attempt to modify a readonly table"
NO_GLOBAL = "Script attempted to access nonexistent global variable"

REFUSED = {
    "endless recursion": ("local function f() return 1 + f() end return f()", "stack overflow"),
    "unpack of 2^31 - 1": ("return {unpack({}, 1, 2147483646)}", "too many results to unpack"),
    "unpack from 0 to 2^31 - 1": (
        "return {unpack({}, 0, 2147483647)}",
        "too many results to unpack",
    ),
    "unpack over all of 32 bits": (
        "return {unpack({}, -2147483648, 2147483647)}",
        "too many results to unpack",
    ),
    "a new global": ("leak = 1", READ_ONLY),
    "a new global through _G": ("_G.leak = 1", READ_ONLY),
    "a new global through rawset": ("rawset(_G, 'leak', 1) return 1", READ_ONLY),
    "another metatable for _G": ("setmetatable(_G, {})", READ_ONLY),
    "an unknown global": ("return leak", NO_GLOBAL + " 'leak'"),
    "an unknown global through _G": ("return _G.leak", NO_GLOBAL + " 'leak'"),
    "the strings' index": ("getmetatable('').__index = function() return 1 end", READ_ONLY),
    "a function behind the strings' index": ("getmetatable('').__index.rep = nil", READ_ONLY),
    "a string function": ("string.rep = nil", READ_ONLY),
    "a table function": ("table.insert = nil", READ_ONLY),
    "a math function": ("math.random = nil", READ_ONLY),
    "redis.call": ("redis.call = nil", READ_ONLY),
    "a new field of redis": ("redis.leak = 1", READ_ONLY),
    "cjson.encode": ("cjson.encode = nil", READ_ONLY),
    "cmsgpack.pack": ("cmsgpack.pack = nil", READ_ONLY),
    "bit.band": ("bit.band = nil", READ_ONLY),
    "struct.pack": ("struct.pack = nil", READ_ONLY),
    "rawset on a library": ("rawset(string, 'rep', nil) return 1", READ_ONLY),
    "loadfile": ("return tostring(loadfile)", NO_GLOBAL),
    "dofile": ("return tostring(dofile)", NO_GLOBAL),
    "require": ("return tostring(require)", NO_GLOBAL),
    "module": ("return tostring(module)", NO_GLOBAL),
    "io": ("return tostring(io)", NO_GLOBAL),
    "os": ("return tostring(os.execute)", NO_GLOBAL),
    "package": ("return tostring(package)", NO_GLOBAL),
    "debug": ("return tostring(debug)", NO_GLOBAL),
    "print": ("return tostring(print)", NO_GLOBAL),
    "newproxy": ("return tostring(newproxy)", NO_GLOBAL),
    "setfenv": ("setfenv(1, {}) return 1", NO_GLOBAL),
    "getfenv": ("return tostring(getfenv(0))", NO_GLOBAL),
    "a deep table to JSON": (
        "local t = {} for i = 1, 2000 do t = {t} end return cjson.encode(t)",
        "excessive nesting (1001)",
    ),
    "deep JSON": (
        "return cjson.decode(string.rep('[', 100000))",
        "too many nested data structures (1001)",
    ),
    "a function to JSON": ("return cjson.encode({tostring})", "type not supported"),
    "a struct integer of 2^31 - 1 bytes": (
        "return #struct.pack('>I2147483647', 1)",
        "larger than limit of 32",
    ),
    "a struct string of 2^31 bytes": (
        "return #struct.pack('c2147483648', 'x')",
        "integral size overflow",
    ),
    "deep message pack": ("return cmsgpack.unpack(string.rep('\\145', 100000))", ""),
    "truncated message pack": ("return cmsgpack.unpack('\\220')", "Missing bytes in input"),
    "8,000 results at once": (
        "local a = {} for i = 1, 8000 do a[i] = 'x' end return redis.call('MSET', unpack(a))",
        "too many results to unpack",
    ),
    "a wide format": ("return string.format('%99999d', 1)", "invalid format"),
    "no command": ("return redis.call()", "Please specify at least one argument"),
    "a table as an argument": (
        "return redis.call('SET', 'k', {})",
        "Lua redis lib command arguments must be strings or integers",
    ),
    "an argument that is not there": (
        "return redis.call('SET', KEYS[1], 'v')",
        "Lua redis lib command arguments must be strings or integers",
    ),
    "an unknown command": ("return redis.call('NOPE')", "Unknown Redis command called from script"),
    "a script in a script": ("return redis.call('EVAL', 'return 1', 0)", "not allowed from script"),
    "MULTI in a script": ("return redis.call('MULTI')", "not allowed from script"),
    "AUTH in a script": ("return redis.call('AUTH', 'x')", "not allowed from script"),
    "MONITOR in a script": ("return redis.call('MONITOR')", "not allowed from script"),
    "CLIENT REPLY in a script": (
        "return redis.call('CLIENT', 'REPLY', 'OFF')",
        "not allowed from script",
    ),
    "SHUTDOWN in a script": ("return redis.call('SHUTDOWN', 'NOSAVE')", "not allowed from script"),
    "a log level of 9": ("return redis.log(9, 'x')", "Invalid debug level"),
    "RESP 4": ("return redis.setresp(4)", "RESP version must be 2 or 3"),
    "bytecode by hand": ("return loadstring('\\27Lua' .. string.rep('\\0', 100))()", ""),
    "a script that is not Lua": ("this is not Lua", "Error compiling script (new function)"),
    "a script of brackets": (
        "return " + "(" * 100_000 + "1",
        "Error compiling script (new function)",
    ),
    "a script that is bytecode": ("\x1bLuaQ\0\x01\x04\x08\x04\x08\0" + "\0" * 100, ""),
    "300 locals": (
        "local " + ",".join(f"a{number}" for number in range(300)) + " = 1",
        "Error compiling script (new function)",
    ),
}

BOUNDED = {
    "a string of 2 GB": "return #string.rep('x', 2147483647)",
    "a string that doubles for ever": "local s = 'x' while true do s = s .. s end",
    "a table that grows for ever": "local t = {} while true do t[#t + 1] = {#t, 'x'} end",
    "a table of a billion": "local t = {} for i = 1, 1000000000 do t[i] = i end return #t",
    "a list of strings joined": "local t = {} for i = 1, 10000 do t[i] = string.rep('x', 100000) end "
    "return #table.concat(t)",
    "a replacement that explodes": "return #string.gsub(string.rep('x', 100000), 'x', string.rep('y', 100000))",
}

# What the well-behaved of another client rely on; "fine" says that nothing above has left a trace.
INNOCENT = """
    local ok = string.rep('ab', 2) == 'abab' and ('x'):rep(2) == 'xx' and table.concat({1, 2}) == '12'
        and math.floor(1.5) == 1 and cjson.encode({1}) == '[1]' and cmsgpack.unpack(cmsgpack.pack(5)) == 5
        and bit.band(6, 3) == 2 and struct.pack('B', 65) == 'A' and type(redis.call) == 'function'
        and redis.call('SET', KEYS[1], 'v').ok == 'OK' and redis.call('GET', KEYS[1]) == 'v'
        and #redis.sha1hex('') == 40 and pcall(function() return leak end) == false
    return ok and 'fine' or 'spoilt'
"""


def is_as_it_was(server):
    with Wire(server) as other:
        return other.ask("EVAL", INNOCENT, "1", "innocent") == b"fine"


@pytest.mark.parametrize("case", REFUSED)
def test_an_abuse_is_an_error_and_leaves_no_trace(server, case):
    script, said = REFUSED[case]
    with Wire(server) as wire:
        answer = wire.ask("EVAL", script, "0")
        assert isinstance(answer, ErrorReply), answer
        assert said in answer
        assert wire.is_quiet()
    assert is_as_it_was(server)


@pytest.mark.parametrize("case", BOUNDED)
def test_a_script_cannot_have_all_memory(larder, case):
    """Refused, or done within the bound: never more than a gigabyte, and most of it given back."""
    before = resident_bytes(larder)
    with Wire(larder) as wire:
        answer = wire.ask("EVAL", BOUNDED[case], "0")
        assert isinstance(answer, (ErrorReply, int))
        assert resident_bytes(larder) - before < (1 << 30)
        assert wire.is_quiet()
    assert is_as_it_was(larder)


def test_a_recursive_pattern_is_survived(larder):
    """redis-server 7.0.15 (with Debian's Lua) is ended by this one."""
    script = "return string.find(string.rep('a', 200000), string.rep('a?', 200000) .. string.rep('a', 200000))"
    with Wire(larder) as wire:
        assert isinstance(wire.ask("EVAL", script, "0"), (ErrorReply, int, type(None)))
        assert wire.is_quiet()
    assert is_as_it_was(larder)


def test_bytecode_that_was_dumped_is_not_loaded(server):
    with Wire(server) as wire:
        answer = wire.ask(
            "EVAL",
            "local f = loadstring(string.dump(function() return 5 end)) return f and 'loaded' or 'refused'",
            "0",
        )
        assert isinstance(answer, ErrorReply) or answer == b"refused"
    assert is_as_it_was(server)


def test_a_table_that_holds_itself_is_not_followed_for_ever(server):
    with Wire(server) as wire:
        answer = wire.ask(
            "EVAL", "local t = {} t[1] = t return tostring(pcall(cjson.encode, t))", "0"
        )
        assert answer == b"false"
        answer = wire.ask("EVAL", "local t = {} t[1] = t return type(cmsgpack.pack(t))", "0")
        assert answer == b"string" or isinstance(answer, ErrorReply)
    assert is_as_it_was(server)


def test_a_table_that_holds_itself_as_a_reply_ends(server):
    """redis-server nests until its stack is nearly used up and says so at the bottom; Larder may
    refuse at the top.
    """
    with Wire(server) as wire:
        wire.send(packed("EVAL", "local t = {} t[1] = t return t", "0"))
        line = wire.line()
        while line == b"*1":
            line = wire.line()
        assert line.startswith(b"-")
        assert wire.is_quiet()
    assert is_as_it_was(server)


def test_an_error_inside_a_metamethod_of_a_reply_is_contained(larder):
    """redis-server 7.0.15 reads the fields of what a script returns or raises unprotected, and dies
    of the first.
    """
    with Wire(larder) as wire:
        for script in (
            "return setmetatable({}, {__index = function() error('boom') end})",
            "error(setmetatable({}, {__index = function() error('boom') end}))",
            "error(setmetatable({}, {__tostring = function() error('boom') end}))",
            "return setmetatable({}, {__index = function(t, k) return t end})",
        ):
            wire.ask("EVAL", script, "0")
            assert wire.is_quiet()
    assert is_as_it_was(larder)


def test_a_coroutine_cannot_leave_the_sandbox(server):
    with Wire(server) as wire:
        answer = wire.ask(
            "EVAL",
            "local f = coroutine.wrap(function() return coroutine.yield(redis.call('SET', 'co', 'v')) end) "
            "f() return f('back')",
            "0",
        )
        assert answer == b"back"
        wire.ask("EVAL", "coroutine.yield(1)", "0")
        assert wire.is_quiet()
        assert isinstance(
            wire.ask("EVAL", "coroutine.wrap(function() leak = 1 end)()", "0"), ErrorReply
        )
    assert is_as_it_was(server)


def test_pcall_does_not_swallow_what_ends_a_script(server):
    with Wire(server) as runaway, Wire(server) as wire:
        assert wire.ask("CONFIG", "SET", "busy-reply-threshold", "50") == "OK"
        runaway.send(
            packed("EVAL", "while true do pcall(function() while true do end end) end", "0")
        )
        answer = wire.ask("PING")
        while answer == "PONG":
            answer = wire.ask("PING")
        assert answer == (
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
        )
        assert wire.ask("SCRIPT", "KILL") == "OK"
        assert "Script killed by user with SCRIPT KILL" in runaway.reply()
        assert wire.ask("PING") == "PONG"
        assert wire.ask("SCRIPT", "KILL") == "NOTBUSY No scripts in execution right now."
        assert wire.ask("CONFIG", "SET", "busy-reply-threshold", "5000") == "OK"
    assert is_as_it_was(server)


def busy_with_a_script(server, wire):
    """A connection whose script will not end by itself, seen to be running by `wire`."""
    assert wire.ask("CONFIG", "SET", "busy-reply-threshold", "50") == "OK"
    runaway = Wire(server)
    runaway.send(packed("EVAL", "while true do end", "0") + packed("PING") * 10)
    while (answer := wire.ask("PING")) == "PONG":
        pass
    assert answer.code == "BUSY"
    return runaway


def test_a_client_that_goes_while_its_script_runs_is_survived(server):
    with Wire(server) as wire:
        busy_with_a_script(server, wire).close()
        assert wire.ask("GET", "k").code == "BUSY"
        assert wire.ask("SCRIPT", "KILL") == "OK"
        wait_until(lambda: wire.ask("PING") == "PONG", what="the script's end")
        assert wire.ask("CONFIG", "SET", "busy-reply-threshold", "5000") == "OK"
    assert is_as_it_was(server)


def test_a_server_in_the_middle_of_a_script_ends_when_told_to():
    """redis-server 7.0.15 only ends after the script: never, here."""
    server = Server("larder").start()
    with Wire(server) as wire, busy_with_a_script(server, wire):
        server.stop()
