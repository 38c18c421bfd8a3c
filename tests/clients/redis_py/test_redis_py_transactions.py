"""redis-py: pipelines, transactions, scripts and locks, alone and from several threads.
"""

import threading

import pytest
import redis

from servers import wait_until
from together import together
from wire import Wire

MANY = 10_000


# Pipelines and transactions ---------------------------------------------------------------------


def test_a_pipeline_of_ten_thousand(client):
    pipe = client.pipeline(transaction=False)
    for number in range(MANY):
        pipe.set(f"k:{number}", number)
        pipe.get(f"k:{number}")
    answers = pipe.execute()
    assert answers[::2] == [True] * MANY
    assert answers[1::2] == [b"%d" % number for number in range(MANY)]


def test_a_transaction_of_ten_thousand(client):
    pipe = client.pipeline(transaction=True)
    for _ in range(MANY):
        pipe.incr("n")
    assert pipe.execute() == list(range(1, MANY + 1))


def test_an_error_in_a_pipeline_is_one_answer_of_many(client):
    pipe = client.pipeline(transaction=False)
    pipe.set("k", "word").incr("k").get("k")
    answers = pipe.execute(raise_on_error=False)
    assert (
        answers[0] is True and isinstance(answers[1], redis.ResponseError) and answers[2] == b"word"
    )


def test_an_error_in_a_transaction_does_not_undo_it(client):
    pipe = client.pipeline()
    pipe.set("k", "word").incr("k").set("after", "1")
    answers = pipe.execute(raise_on_error=False)
    assert isinstance(answers[1], redis.ResponseError)
    assert client.get("after") == b"1"


def test_a_transaction_with_an_unknown_command_is_not_run(server, client):
    pipe = client.pipeline()
    pipe.set("k", "1").execute_command("NOPE")
    with pytest.raises(redis.ResponseError, match="unknown command"):
        pipe.execute()
    assert client.get("k") is None
    with Wire(server) as wire:
        assert wire.ask("MULTI") == "OK"
        assert wire.ask("NOPE").startswith("ERR unknown command")
        assert wire.ask("SET", "k", "1") == "QUEUED"
        assert wire.ask("EXEC") == "EXECABORT Transaction discarded because of previous errors."


def test_watch_notices_what_others_write(client):
    with client.pipeline() as pipe:
        pipe.watch("balance")
        client.set("balance", "changed")
        pipe.multi()
        pipe.set("balance", "mine")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.get("balance") == b"changed"


@pytest.mark.parametrize(
    "change",
    [
        ("DEL", "w"),
        ("EXPIRE", "w", "100"),
        ("APPEND", "w", "x"),
        ("RENAME", "w", "z"),
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("SWAPDB", "0", "1"),
        ("GETDEL", "w"),
        ("COPY", "other", "w", "REPLACE"),
        ("SET", "w", "v"),
        ("MSET", "q", "1", "w", "2"),
        ("EVAL", "redis.call('SET', 'w', 'x')", "0"),
    ],
    ids=" ".join,
)
def test_watch_notices_every_kind_of_change(client, change):
    client.mset({"w": "v", "other": "o"})
    with client.pipeline() as pipe:
        pipe.watch("w")
        client.execute_command(*change)
        pipe.multi()
        pipe.ping()
        with pytest.raises(redis.WatchError):
            pipe.execute()


@pytest.mark.parametrize(
    "no_change",
    [
        ("GET", "w"),
        ("SET", "other", "v"),
        ("DEL", "none"),
        ("TOUCH", "w"),
        ("SET", "w", "x", "NX"),
        ("PERSIST", "w"),
    ],
    ids=" ".join,
)
def test_watch_is_not_disturbed_by_what_changes_nothing(client, no_change):
    client.set("w", "v")
    with client.pipeline() as pipe:
        pipe.watch("w")
        client.execute_command(*no_change)
        pipe.multi()
        pipe.get("w")
        assert pipe.execute() == [b"v"]


def test_watch_notices_a_key_that_dies(client):
    client.set("w", "v", px=30)
    with client.pipeline() as pipe:
        pipe.watch("w")
        wait_until(lambda: client.exists("w") == 0, what="the key's end")
        pipe.multi()
        pipe.ping()
        with pytest.raises(redis.WatchError):
            pipe.execute()


def test_unwatch_and_discard(server, client):
    with Wire(server) as wire:
        assert wire.ask("WATCH", "w") == "OK"
        client.set("w", "1")
        assert wire.ask("UNWATCH") == "OK"
        assert wire.ask("MULTI") == "OK"
        assert wire.ask("SET", "w", "2") == "QUEUED"
        assert wire.ask("DISCARD") == "OK"
        assert wire.ask("GET", "w") == b"1"
        assert wire.ask("DISCARD") == "ERR DISCARD without MULTI"
        assert wire.ask("EXEC") == "ERR EXEC without MULTI"
        assert wire.ask("MULTI") == "OK"
        assert wire.ask("MULTI") == "ERR MULTI calls can not be nested"
        assert wire.ask("WATCH", "w") == "ERR WATCH inside MULTI is not allowed"
        assert wire.ask("EXEC") == []


def test_counting_with_watch_loses_nothing(server, client):
    def count():
        own = redis.Redis(port=server.port)
        for _ in range(50):
            own.transaction(
                lambda pipe: (lambda value: (pipe.multi(), pipe.set("n", value + 1)))(
                    int(pipe.get("n") or 0)
                ),
                "n",
            )

    together(count, threads=4)
    assert client.get("n") == b"200"


def test_transactions_are_whole_for_others(server, client):
    """One writer sets two keys alike in a transaction; a reader must never see them differ."""
    client.mset({"left": 0, "right": 0})
    done = threading.Event()

    def write():
        own = redis.Redis(port=server.port)
        for number in range(500):
            own.pipeline().set("left", number).set("right", number).execute()
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not done.is_set():
            left, right = client.mget("left", "right")
            assert left == right
    finally:
        writer.join()


# Scripts ----------------------------------------------------------------------------------------


def test_eval(client):
    assert client.eval("return {KEYS[1], KEYS[2], ARGV[1], #ARGV}", 2, "a", "b", "x", "y") == [
        b"a",
        b"b",
        b"x",
        2,
    ]
    assert client.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, "k", "v") == b"OK"
    assert client.eval("return redis.call('GET', KEYS[1])", 1, "k") == b"v"
    assert client.eval("return {1, 2, 3.9, 'x', false, true, nil, 7}", 0) == [
        1,
        2,
        3,
        b"x",
        None,
        1,
    ]
    assert client.eval("return redis.call('GET', 'none')", 0) is None
    assert client.eval("return redis.sha1hex('')", 0) == b"da39a3ee5e6b4b0d3255bfef95601890afd80709"
    assert client.eval("return redis.status_reply('FINE')", 0) == b"FINE"
    with pytest.raises(redis.ResponseError, match="My fault"):
        client.eval("return redis.error_reply('My fault')", 0)
    client.set("k", "word")
    with pytest.raises(redis.ResponseError, match="value is not an integer"):
        client.eval("return redis.call('INCR', 'k')", 0)
    assert (
        client.eval("return redis.pcall('INCR', 'k').err", 0)
        == b"ERR value is not an integer or out of range"
    )


def test_a_script_is_loaded_when_the_server_has_not_got_it(client):
    add = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    client.script_flush()
    assert add(keys=["n"], args=[5]) == 5
    assert client.script_exists(add.sha) == [True]
    assert add(keys=["n"], args=[5]) == 10
    client.script_flush("ASYNC")
    assert client.script_exists(add.sha, "0" * 40) == [False, False]
    with pytest.raises(redis.exceptions.NoScriptError, match="No matching script"):
        client.evalsha(add.sha, 1, "n", 1)
    pipe = client.pipeline()
    add(keys=["n"], args=[1], client=pipe)
    assert pipe.execute() == [11]
    assert client.script_load(add.script) == add.sha


def test_scripts_that_only_read(client):
    client.set("k", "v")
    assert client.execute_command("EVAL_RO", "return redis.call('GET', KEYS[1])", 1, "k") == b"v"
    with pytest.raises(
        redis.ResponseError, match="Write commands are not allowed from read-only scripts"
    ):
        client.execute_command("EVAL_RO", "return redis.call('SET', KEYS[1], '1')", 1, "k")
    sha = client.script_load("return redis.call('GET', KEYS[1])")
    assert client.execute_command("EVALSHA_RO", sha, 1, "k") == b"v"


def test_the_libraries_of_scripts(client):
    assert client.eval("return cjson.encode({1, 'a', {k = true}})", 0) == b'[1,"a",{"k":true}]'
    assert client.eval("return cjson.decode(ARGV[1]).list[2]", 0, '{"list": [1, "two"]}') == b"two"
    assert (
        client.eval("return cjson.encode(cjson.decode('[null, 1.5, \"\\\\u00e9\"]'))", 0).decode()
        == '[null,1.5,"é"]'
    )
    assert client.eval("return cmsgpack.unpack(cmsgpack.pack({1, 'a', {2}}))[3][1]", 0) == 2
    assert client.eval("return cmsgpack.pack(1, 'a')", 0) == b"\x01\xa1a"
    assert client.eval("return {cmsgpack.unpack(ARGV[1])}", 0, b"\x93\x01\x02\x03\xc3") == [
        [1, 2, 3],
        1,
    ]
    assert client.eval("return struct.pack('>I2', 258)", 0) == b"\x01\x02"
    assert client.eval("return {struct.unpack('<I2', ARGV[1])}", 0, b"\x01\x02") == [513, 3]
    assert client.eval("return {bit.bor(1, 4), bit.lshift(1, 4), bit.bnot(0)}", 0) == [5, 16, -1]
    assert client.eval("return bit.tohex(255, 4)", 0) == b"00ff"


def test_a_script_may_touch_keys_it_did_not_declare(client):
    client.eval("for i = 1, 1000 do redis.call('SET', 'undeclared:' .. i, i) end", 0)
    assert client.dbsize() == 1_000
    assert (
        client.eval(
            "local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do n = n + redis.call('GET', k) end "
            "return n",
            0,
        )
        == 500_500
    )


def test_scripts_are_whole_for_others(server, client):
    def count():
        own = redis.Redis(port=server.port)
        for _ in range(200):
            own.eval(
                "local n = tonumber(redis.call('GET', 'n') or '0') redis.call('SET', 'n', n + 1)", 0
            )

    together(count, threads=4)
    assert client.get("n") == b"800"


# Locks ------------------------------------------------------------------------------------------


def test_a_lock_is_held_by_one(client):
    mine, yours = client.lock("l", timeout=100), client.lock("l", timeout=100, blocking=False)
    assert mine.acquire() is True
    assert mine.locked() and mine.owned() and not yours.owned()
    assert yours.acquire() is False
    with pytest.raises(redis.exceptions.LockError):
        yours.release()
    assert mine.extend(50) is True and 100 < client.ttl("l") <= 150
    assert mine.reacquire() is True and 0 < client.ttl("l") <= 100
    mine.release()
    assert client.exists("l") == 0
    assert yours.acquire() is True
    with pytest.raises(redis.exceptions.LockError):
        mine.release()
    yours.release()


def test_a_lock_that_ran_out_is_not_released(client):
    lock = client.lock("l", timeout=0.05)
    assert lock.acquire() is True
    wait_until(lambda: not lock.locked(), what="the lock's end")
    with pytest.raises(redis.exceptions.LockNotOwnedError):
        lock.release()


def test_a_lock_keeps_threads_apart(server, client):
    client.set("n", 0)

    def count():
        own = redis.Redis(port=server.port)
        for _ in range(20):
            with own.lock("l", timeout=60, sleep=0.001):
                own.set("n", int(own.get("n")) + 1)

    together(count, threads=4)
    assert client.get("n") == b"80"
