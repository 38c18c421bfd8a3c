"""The first bytes each client library sends on a fresh connection, replayed, and what it must find
in the answers.

The libraries themselves (most of them not in Debian) are not here: only their opening words, sent
in one write as they pipeline them, and checked for what their code reads. Each request must get
exactly one reply, in order: after the handshake an ECHO must be the next and only thing that comes.
Words that redis-server 7.0.15 does not know yet (CLIENT SETINFO came with 7.2) must be plain errors
there, which every one of these libraries swallows.
"""

import pytest

from servers import Server
from wire import ErrorReply, Push, Status, Wire, info_fields, packed

PASSWORD = "darjeeling"


@pytest.fixture(scope="module")
def locked(server_kind):
    with Server(server_kind, "--requirepass", PASSWORD, password=PASSWORD) as running:
        yield running


def opening(server, *requests):
    """Sends all requests in one write; answers their replies and that nothing else came."""
    with Wire(server) as wire:
        return spoken(wire, *requests)


def spoken(wire, *requests):
    wire.send(
        b"".join(
            request if isinstance(request, bytes) else packed(*request) for request in requests
        )
    )
    answers = wire.replies(len(requests))
    assert wire.is_quiet()
    return answers


def is_greeting(answer, proto):
    """HELLO's map (a flat array of pairs in RESP2) with every field that some library reads or
    casts.
    """
    fields = (
        answer
        if isinstance(answer, dict)
        else {key.decode(): value for key, value in zip(answer[::2], answer[1::2])}
    )
    assert isinstance(answer, dict) == (proto == 3)
    assert fields["proto"] == proto
    assert fields["server"] == b"redis"
    assert fields["version"].decode().split(".")[0] >= "7"
    assert isinstance(fields["id"], int) and fields["id"] > 0
    assert fields["mode"] == b"standalone"
    assert fields["role"] == b"master"
    assert fields["modules"] == []
    return True


def is_setinfo_answer(server, answer):
    return is_unknown_subcommand(answer, "SETINFO") if server.kind == "redis" else answer == "OK"


def is_unknown_subcommand(answer, subcommand="MAINT_NOTIFICATIONS"):
    return answer == ErrorReply(f"ERR unknown subcommand '{subcommand}'. Try CLIENT HELP.")


# redis-py 8 ---------------------------------------------------------------------------------------


def test_redis_py_8_says_hello_3_and_shrugs_at_maint_notifications(server):
    with Wire(server) as wire:
        assert is_greeting(wire.ask("HELLO", "3"), 3)
        assert is_unknown_subcommand(
            wire.ask("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "internal-ip")
        )
        assert wire.ask("CLIENT", "SETNAME", "web-1") == "OK"
        assert is_setinfo_answer(server, wire.ask("CLIENT", "SETINFO", "LIB-NAME", "redis-py"))
        assert is_setinfo_answer(server, wire.ask("CLIENT", "SETINFO", "LIB-VER", "8.0.0"))
        assert wire.ask("SELECT", "1") == "OK"
        assert wire.ask("CLIENT", "GETNAME") == b"web-1"
        assert wire.ask("PING") == "PONG"
        assert wire.is_quiet()


def test_redis_py_8_signs_in_inside_hello(locked):
    greeting, selected = opening(
        locked, ("HELLO", "3", "AUTH", "default", PASSWORD), ("SELECT", "1")
    )
    assert is_greeting(greeting, 3)
    assert selected == "OK"


def test_redis_py_8_is_told_of_a_wrong_password_inside_hello(locked):
    refused, ping = opening_without_echo(
        locked, ("HELLO", "3", "AUTH", "default", "oolong"), ("PING",)
    )
    assert refused == "WRONGPASS invalid username-password pair or user is disabled."
    assert ping == "NOAUTH Authentication required."


def opening_without_echo(server, *requests):
    """For a connection that may not ECHO: a second PING stands in for it."""
    with Wire(server) as wire:
        wire.send(b"".join(packed(*request) for request in requests))
        answers = wire.replies(len(requests))
        assert not wire.unread
        assert isinstance(wire.ask("PING"), ErrorReply)
        return answers


# lettuce, jedis, go-redis -------------------------------------------------------------------------


def test_lettuce_says_hello_with_its_name(server):
    greeting, name, version, maintenance, ping = opening(
        server,
        ("HELLO", "3", "SETNAME", "spring"),
        ("CLIENT", "SETINFO", "lib-name", "Lettuce"),
        ("CLIENT", "SETINFO", "lib-ver", "6.5.0.RELEASE/abcdef"),
        ("CLIENT", "MAINT_NOTIFICATIONS", "on", "moving-endpoint-type", "external-fqdn"),
        ("PING",),
    )
    assert is_greeting(greeting, 3)
    assert is_setinfo_answer(server, name) and is_setinfo_answer(server, version)
    assert is_unknown_subcommand(maintenance)
    assert ping == "PONG"


def test_lettuce_signs_in_with_name_and_database(locked):
    greeting, selected, name = opening(
        locked,
        ("HELLO", "3", "AUTH", "default", PASSWORD, "SETNAME", "spring"),
        ("SELECT", "3"),
        ("CLIENT", "GETNAME"),
    )
    assert is_greeting(greeting, 3)
    assert selected == "OK"
    assert name == b"spring"


def test_a_protocol_nobody_speaks_is_refused_so_that_clients_fall_back(server):
    refused, ping = opening(server, ("HELLO", "4"), ("PING",))
    assert refused == "NOPROTO unsupported protocol version"
    assert ping == "PONG"


def test_hello_before_signing_in_names_both_ways_to_do_so(locked):
    (refused,) = opening_without_echo(locked, ("HELLO", "3"))
    assert refused.startswith("NOAUTH HELLO must be called with the client already authenticated")


def test_jedis_fires_and_forgets_its_setinfo(server):
    greeting, named, name, version, selected = opening(
        server,
        ("HELLO", "3"),
        ("CLIENT", "SETNAME", "jedis"),
        ("CLIENT", "SETINFO", "lib-name", "jedis"),
        ("CLIENT", "SETINFO", "lib-ver", "6.0.0"),
        ("SELECT", "2"),
    )
    assert is_greeting(greeting, 3)
    assert named == "OK" and selected == "OK"
    assert is_setinfo_answer(server, name) and is_setinfo_answer(server, version)


def test_jedis_in_resp2_only_signs_in(locked):
    signed_in, named, selected = opening(
        locked, ("AUTH", PASSWORD), ("CLIENT", "SETNAME", "jedis"), ("SELECT", "2")
    )
    assert (signed_in, named, selected) == ("OK", "OK", "OK")


def test_go_redis_pipelines_its_selection_after_hello(locked):
    with Wire(locked) as wire:
        (greeting,) = spoken(wire, ("HELLO", "3", "AUTH", "default", PASSWORD))
        assert is_greeting(greeting, 3)
        assert spoken(wire, ("SELECT", "5"), ("CLIENT", "SETNAME", "go")) == ["OK", "OK"]
        (maintenance,) = spoken(
            wire, ("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "none")
        )
        assert is_unknown_subcommand(maintenance)
        name, version = spoken(
            wire,
            ("CLIENT", "SETINFO", "LIB-NAME", "go-redis(,go1.24)"),
            ("CLIENT", "SETINFO", "LIB-VER", "9.17.0"),
        )
        assert is_setinfo_answer(locked, name) and is_setinfo_answer(locked, version)


def test_go_redis_turns_tracking_on(server):
    greeting, tracking = opening(server, ("HELLO", "3"), ("CLIENT", "TRACKING", "ON"))
    assert is_greeting(greeting, 3)
    assert tracking == "OK"


# node ---------------------------------------------------------------------------------------------


def test_ioredis_pipelines_everything_then_asks_info_whether_it_may_start(locked):
    with Wire(locked) as wire:
        signed_in, selected, named, version, name = spoken(
            wire,
            ("auth", PASSWORD),
            ("select", "1"),
            ("client", "setname", "queue"),
            ("client", "SETINFO", "LIB-VER", "5.11.1"),
            ("client", "SETINFO", "LIB-NAME", "ioredis"),
        )
        assert (signed_in, selected, named) == ("OK", "OK", "OK")
        assert is_setinfo_answer(locked, version) and is_setinfo_answer(locked, name)
        fields = info_fields(wire.ask("info"))
        assert fields["loading"] == "0"
        assert fields.get("master_link_status", "up") == "up"


def test_ioredis_speaks_resp3_in_the_same_pipeline(locked):
    greeting, selected, info = opening(
        locked, ("hello", "3", "AUTH", "default", PASSWORD), ("select", "1"), ("info",)
    )
    assert is_greeting(greeting, 3)
    assert selected == "OK"
    assert info_fields(info)["loading"] == "0"


def test_node_redis_says_hello_and_selects_in_one_write(locked):
    greeting, selected, version, name = opening(
        locked,
        ("HELLO", "3", "AUTH", "default", PASSWORD, "SETNAME", "node"),
        ("SELECT", "1"),
        ("CLIENT", "SETINFO", "LIB-VER", "5.12.1"),
        ("CLIENT", "SETINFO", "LIB-NAME", "node-redis"),
    )
    assert is_greeting(greeting, 3)
    assert selected == "OK"
    assert is_setinfo_answer(locked, version) and is_setinfo_answer(locked, name)


def test_node_redis_in_resp2_gets_its_greeting_as_pairs(server):
    (greeting,) = opening(server, ("HELLO", "2"))
    assert is_greeting(greeting, 2)


# ruby and php -------------------------------------------------------------------------------------


def test_redis_client_for_ruby_sends_one_prelude(locked):
    greeting, selected, name, version = opening(
        locked,
        ("HELLO", "3", "AUTH", "default", PASSWORD),
        ("SELECT", "4"),
        ("CLIENT", "SETINFO", "LIB-NAME", "redis-client(redis-rb_v5.4.1)"),
        ("CLIENT", "SETINFO", "LIB-VER", "0.26.1"),
    )
    assert is_greeting(greeting, 3)
    assert selected == "OK"
    assert is_setinfo_answer(locked, name) and is_setinfo_answer(locked, version)


def test_rails_forces_resp2_and_reads_redis_version(locked):
    signed_in, selected, info = opening(
        locked, ("AUTH", PASSWORD), ("SELECT", "4"), ("INFO", "server")
    )
    assert (signed_in, selected) == ("OK", "OK")
    major = int(info_fields(info)["redis_version"].split(".")[0])
    assert major >= 7


def test_phpredis_signs_in_both_ways_and_reads_noauth(locked):
    with Wire(locked) as wire:
        assert wire.ask("GET", "k") == "NOAUTH Authentication required."
        assert wire.ask("AUTH", "default", PASSWORD) == "OK"
        assert wire.ask("AUTH", PASSWORD) == "OK"
        assert wire.ask("SELECT", "0") == "OK"
        assert wire.ask("CLIENT", "SETNAME", "laravel") == "OK"
        assert wire.is_quiet()


# .NET ---------------------------------------------------------------------------------------------


def test_stackexchange_redis_configures_itself(locked):
    uid = bytes(range(16))
    answers = opening(
        locked,
        ("AUTH", PASSWORD),
        ("HELLO", "3"),
        ("CLIENT", "SETNAME", "web(SE.Redis-v2.9.0)"),
        ("CLIENT", "SETINFO", "lib-name", "SE.Redis"),
        ("CLIENT", "SETINFO", "lib-ver", "2.9.0"),
        ("CLIENT", "ID"),
        ("CONFIG", "GET", "timeout"),
        ("CONFIG", "GET", "replica-read-only"),
        ("CONFIG", "GET", "databases"),
        ("SENTINEL", "MASTERS"),
        ("INFO", "replication"),
        ("INFO", "server"),
        ("CLUSTER", "NODES"),
        ("GET", "__Booksleeve_TieBreak"),
        ("ECHO", uid),
    )
    (
        signed_in,
        greeting,
        named,
        name,
        version,
        number,
        timeout,
        read_only,
        databases,
        sentinel,
        replication,
        about,
        cluster,
        tie_break,
        tracer,
    ) = answers
    assert (signed_in, named) == ("OK", "OK")
    assert is_greeting(greeting, 3)
    assert is_setinfo_answer(locked, name) and is_setinfo_answer(locked, version)
    assert number == greeting["id"]
    assert timeout == {"timeout": b"0"}
    assert set(read_only) <= {"replica-read-only"}
    assert databases == {"databases": b"16"}
    assert isinstance(sentinel, ErrorReply) and sentinel.startswith(
        "ERR unknown command 'SENTINEL'"
    )
    assert info_fields(replication)["role"] == "master"
    assert info_fields(about)["redis_mode"] == "standalone"
    assert cluster == "ERR This instance has cluster support disabled"
    assert tie_break is None
    assert tracer == uid


def test_stackexchange_redis_probes_with_a_one_millisecond_key_when_info_is_off(server):
    with Wire(server) as wire:
        assert wire.ask("SET", "6f1c", "probe", "PX", "1", "NX") == "OK"


def test_a_failing_auth_inside_a_pipeline_has_its_reply_and_the_rest_stay_in_step(locked):
    """The fault StackExchange.Redis works around: an AUTH that fails and is not the first gets no
    reply at all.
    """
    with Wire(locked) as wire:
        wire.send(
            packed("PING")
            + packed("AUTH", "oolong")
            + packed("PING")
            + packed("AUTH", "default", "oolong")
            + packed("AUTH", PASSWORD)
            + packed("AUTH", "oolong")
            + packed("ECHO", "last")
        )
        before, one_word, still_before, two_words, right, wrong_again, last = wire.replies(7)
        assert before == still_before == "NOAUTH Authentication required."
        assert (
            one_word
            == two_words
            == wrong_again
            == ("WRONGPASS invalid username-password pair or user is disabled.")
        )
        assert right == "OK"
        assert last == b"last"
        assert wire.is_quiet()


def test_auth_without_a_password_configured_says_so(server):
    one_word, two_words, unknown_user = opening(
        server, ("AUTH", "oolong"), ("AUTH", "default", "oolong"), ("AUTH", "nobody", "oolong")
    )
    assert one_word == (
        "ERR AUTH <password> called without any password configured for the default user. "
        "Are you sure your configuration is correct?"
    )
    assert two_words == "OK"
    assert unknown_user == "WRONGPASS invalid username-password pair or user is disabled."


# tools --------------------------------------------------------------------------------------------


def test_redis_benchmark_asks_config_and_pings_inline(server):
    save, appendonly, ping = opening(
        server, ("CONFIG", "GET", "save"), ("CONFIG", "GET", "appendonly"), b"PING\r\n"
    )
    assert save == [b"save", b""]
    assert appendonly == [b"appendonly", b"no"]
    assert ping == "PONG"


def test_redis_exporter_finds_every_option_in_one_map(server):
    with Wire(server) as wire:
        pairs = wire.ask("CONFIG", "GET", "*")
        assert len(pairs) % 2 == 0
        options = dict(zip(pairs[::2], pairs[1::2]))
        assert {b"maxmemory", b"maxclients", b"databases", b"timeout"} <= set(options)


def test_module_list_is_empty(server):
    with Wire(server) as wire:
        assert wire.ask("MODULE", "LIST") == []


def test_reset_brings_a_pooled_connection_back_to_the_start(server):
    with Wire(server) as wire:
        wire.ask("HELLO", "3", "SETNAME", "pooled")
        assert wire.ask("SELECT", "2") == "OK"
        assert wire.ask("MULTI") == "OK"
        assert wire.ask("RESET") == "RESET"
        assert wire.ask("CLIENT", "GETNAME") is None
        assert wire.ask("EXEC") == "ERR EXEC without MULTI"
        (greeting,) = spoken(wire, ("HELLO",))
        assert is_greeting(greeting, 2)


def test_quit_is_answered_before_the_connection_ends(server):
    with Wire(server) as wire:
        wire.send(packed("QUIT"))
        assert wire.reply() == Status("OK")
        assert wire.ends() == b""


def test_no_push_comes_unasked(server):
    with Wire(server) as wire:
        wire.ask("HELLO", "3")
        wire.ask("SET", "k", "v")
        answers = [wire.ask("GET", "k") for _ in range(10)]
        assert not any(isinstance(answer, Push) for answer in answers)
        assert answers == [b"v"] * 10
