"""What a client may ask a server about itself: INFO, COMMAND and CONFIG, and the types of RESP3.

redis-py of Debian speaks RESP2 only and reads COMMAND's older answers, so the newer ones are asked
over a raw wire.
"""

import pytest
import redis

from wire import ErrorReply, Wire, info


# INFO, COMMAND, CONFIG --------------------------------------------------------------------------

INFO_FIELDS = """redis_version redis_mode role loading maxmemory_policy maxmemory connected_clients
    total_commands_processed instantaneous_ops_per_sec keyspace_hits keyspace_misses evicted_keys expired_keys
    used_memory used_memory_human used_memory_peak used_memory_peak_human used_memory_rss mem_fragmentation_ratio
    cluster_enabled run_id uptime_in_seconds uptime_in_days process_id tcp_port used_cpu_sys used_cpu_user
    total_connections_received rejected_connections connected_slaves""".split()


def test_info_has_what_tools_decide_by(client):
    fields = client.info("everything")
    assert [name for name in INFO_FIELDS if name not in fields] == []
    assert int(str(fields["redis_version"]).split(".")[0]) >= 7
    assert fields["redis_mode"] == "standalone" and fields["role"] == "master"
    assert fields["loading"] == 0 and fields["cluster_enabled"] == 0
    assert len(fields["run_id"]) == 40
    assert fields["used_memory"] > 0 and fields["used_memory_human"][-1] in "BKMG"
    assert fields["tcp_port"] == client.connection_pool.connection_kwargs["port"]


def test_info_never_shows_an_empty_database(client):
    assert "db0" not in client.info()
    client.set("k", "v", ex=100)
    shown = client.info("keyspace")["db0"]
    assert shown["keys"] == 1 and shown["expires"] == 1 and 0 <= shown["avg_ttl"] <= 100_000


def test_info_counts_hits_misses_and_commands(server, client):
    client.config_resetstat()
    client.set("k", "v")
    for key in ("k", "k", "none"):
        client.get(key)
    stats = client.info("stats")
    assert (stats["keyspace_hits"], stats["keyspace_misses"]) == (2, 1)
    commands = client.info("commandstats")
    assert commands["cmdstat_get"]["calls"] == 3 and commands["cmdstat_set"]["calls"] == 1
    with pytest.raises(redis.ResponseError):
        client.execute_command("SET", "k")
    with pytest.raises(redis.ResponseError):
        client.incr("k")
    with Wire(server) as wire:
        assert info(wire, "errorstats")["errorstat_ERR"] == "count=2"
        assert info(wire, "latencystats")["latency_percentiles_usec_get"].startswith("p50=")


def test_command_tells_what_there_is(server, client):
    commands = client.command()
    assert client.command_count() == len(commands)
    assert commands["get"]["arity"] == 2 and commands["get"]["first_key_pos"] == 1
    assert "readonly" in commands["get"]["flags"] and "write" in commands["set"]["flags"]
    with Wire(server) as wire:
        assert set(wire.ask("COMMAND", "LIST")) >= {b"get", b"set", b"client|list"}
        assert wire.ask("COMMAND", "LIST", "FILTERBY", "PATTERN", "getr*") == [b"getrange"]
        assert wire.ask("COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2") == [b"a", b"b"]
        assert wire.ask("COMMAND", "GETKEYS", "EVAL", "return 1", "2", "x", "y", "z") == [
            b"x",
            b"y",
        ]
        known, unknown = wire.ask("COMMAND", "INFO", "get", "nope")
        assert known[:2] == [b"get", 2] and unknown is None


def test_command_docs_describe_arguments(server):
    with Wire(server) as wire:
        assert wire.ask("HELLO", "3")["proto"] == 3
        docs = wire.ask("COMMAND", "DOCS", "set", "expire", "client", "nope")
    assert set(docs) == {"set", "expire", "client"}
    assert docs["set"]["group"] == b"string" and docs["set"]["since"] == b"1.0.0"
    assert docs["set"]["summary"] and docs["expire"]["summary"]
    arguments = docs["set"]["arguments"]
    assert [one["name"] for one in arguments[:2]] == [b"key", b"value"]
    assert [one["type"] for one in arguments[:2]] == [b"key", b"string"]
    assert any(
        one["type"] == b"oneof" and "optional" in one.get("flags", ()) for one in arguments[2:]
    )
    assert {"client|list", "client|setname", "client|kill"} <= set(docs["client"]["subcommands"])


def test_every_command_is_documented(server):
    with Wire(server) as wire:
        assert wire.ask("HELLO", "3")["proto"] == 3
        names = {name.decode().split("|")[0] for name in wire.ask("COMMAND", "LIST")}
        docs = wire.ask("COMMAND", "DOCS")
    assert set(docs) == names
    assert [
        name for name, doc in docs.items() if not (doc["summary"] and doc["since"] and doc["group"])
    ] == []


def test_config(client):
    assert client.config_get("maxmemory-policy")["maxmemory-policy"]
    assert client.config_get("max*").keys() >= {"maxmemory", "maxclients", "maxmemory-policy"}
    assert client.config_set("slowlog-max-len", 64) is True
    assert client.config_get("slowlog-max-len") == {"slowlog-max-len": "64"}
    with pytest.raises(
        redis.ResponseError, match="Unknown option or number of arguments for CONFIG SET - 'nope'"
    ):
        client.config_set("nope", 1)
    with pytest.raises(redis.ResponseError, match="CONFIG SET failed"):
        client.config_set("maxmemory", "abc")
    assert client.config_get("nope") == {}


def test_objects_and_memory(client):
    client.mset({"number": 12345, "short": "abc", "long": "x" * 100})
    assert [client.object("ENCODING", key) for key in ("number", "short", "long")] == [
        b"int",
        b"embstr",
        b"raw",
    ]
    assert client.object("IDLETIME", "short") == 0
    assert client.object("REFCOUNT", "long") == 1
    assert 100 < client.memory_usage("long") < 400
    assert client.memory_usage("none") is None


# RESP3, over a raw wire -------------------------------------------------------------------------


def test_resp3_types(server):
    with Wire(server) as wire:
        greeting = wire.ask("HELLO", "3")
        assert greeting["proto"] == 3 and greeting["modules"] == []
        assert wire.ask("GET", "none at all") is None
        assert wire.ask("CONFIG", "GET", "databases") == {"databases": b"16"}
        assert wire.ask("EVAL", "redis.setresp(3) return true", "0") is True
        assert wire.ask("EVAL", "return {double = 1.5}", "0") == 1.5
        assert wire.ask("EVAL", "return {map = {a = 1}}", "0") == {"a": 1}
        assert wire.ask("EVAL", "return {set = {a = true}}", "0") == [b"a"]
        assert wire.ask("EVAL", "return {big_number = '123456789012345678901234567890'}", "0") == (
            123456789012345678901234567890
        )
        assert wire.ask("MULTI") == "OK" and wire.ask("GET", "none at all") == "QUEUED"
        assert wire.ask("EXEC") == [None]
        wire.send(b"INFO server\r\n")
        assert wire.line().startswith(b"=")
        wire.take(len(wire.unread))
    with Wire(server) as wire:
        assert wire.ask("HELLO", "3")["proto"] == 3
        back = wire.ask("HELLO", "2")
        assert isinstance(back, list) and back[back.index(b"proto") + 1] == 2
        assert wire.ask("CONFIG", "GET", "databases") == [b"databases", b"16"]


def test_resp3_nulls_on_the_wire(server):
    with Wire(server) as wire:
        wire.ask("HELLO", "3")
        wire.send(b"GET none\r\nMGET none none\r\n")
        assert [wire.line() for _ in range(4)] == [b"_", b"*2", b"_", b"_"]
        wire.ask("HELLO", "2")
        wire.send(b"GET none\r\nMGET none none\r\n")
        assert [wire.line() for _ in range(4)] == [b"$-1", b"*2", b"$-1", b"$-1"]


def test_hello_refuses_what_it_does_not_know(server):
    with Wire(server) as wire:
        for words, said in [
            (("4",), "NOPROTO unsupported protocol version"),
            (("1",), "NOPROTO unsupported protocol version"),
            (("abc",), "ERR Protocol version is not an integer or out of range"),
            (("3", "NOPE"), "ERR Syntax error in HELLO option 'NOPE'"),
            (("3", "AUTH", "default"), "ERR Syntax error in HELLO option 'AUTH'"),
            (
                ("3", "SETNAME", "two words"),
                "ERR Client names cannot contain spaces, newlines or special characters.",
            ),
        ]:
            assert wire.ask("HELLO", *words) == ErrorReply(said)
        assert isinstance(wire.ask("HELLO"), list), "a HELLO that failed has changed the protocol"
