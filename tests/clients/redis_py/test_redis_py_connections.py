"""redis-py: signing in, databases, names, lost and paused connections, errors and settings.
"""

import pytest
import redis

from servers import Server
from together import together
from wire import Wire

PASSWORD = "gyokuro"
# Which of the two it raises depends on the words of the error.
REFUSED = (redis.AuthenticationError, redis.ResponseError)


@pytest.fixture(scope="module")
def locked(server_kind):
    with Server(server_kind, "--requirepass", PASSWORD, password=PASSWORD) as running:
        yield running


# Signing in -------------------------------------------------------------------------------------


def test_a_password_alone(locked):
    assert redis.Redis(port=locked.port, password=PASSWORD).ping()


def test_a_user_and_a_password(locked):
    assert redis.Redis(port=locked.port, username="default", password=PASSWORD).ping()
    assert redis.Redis.from_url(f"redis://default:{PASSWORD}@127.0.0.1:{locked.port}/3").ping()


def test_a_wrong_password(locked):
    with pytest.raises(REFUSED, match="invalid username-password pair or user is disabled"):
        redis.Redis(port=locked.port, username="default", password="wrong").ping()
    with pytest.raises(REFUSED, match="invalid username-password pair"):
        redis.Redis(port=locked.port, username="nobody", password=PASSWORD).ping()


def test_no_password(locked):
    with pytest.raises(redis.AuthenticationError, match="Authentication required"):
        redis.Redis(port=locked.port).ping()


def test_a_password_that_nobody_asked_for(server):
    with pytest.raises(
        REFUSED, match="called without any password configured for the default user"
    ):
        redis.Redis(port=server.port, password="superfluous").ping()


# Databases and names ----------------------------------------------------------------------------


def test_databases_do_not_see_each_other(server, client):
    fifth = redis.Redis(port=server.port, db=5)
    fifth.set("k", "five")
    assert client.get("k") is None
    assert client.dbsize() == 0 and fifth.dbsize() == 1
    client.swapdb(0, 5)
    assert client.get("k") == b"five"
    assert client.move("k", 5) is True
    assert fifth.get("k") == b"five"
    with pytest.raises(redis.ResponseError, match="DB index is out of range"):
        redis.Redis(port=server.port, db=16).ping()


def test_a_name_is_set_at_the_start_and_seen_by_others(server, client):
    named = redis.Redis(port=server.port, client_name="worker-7", db=2)
    assert named.client_getname() == "worker-7"
    mine = next(row for row in client.client_list() if int(row["id"]) == named.client_id())
    assert mine["name"] == "worker-7" and mine["db"] == "2"
    assert named.client_info()["name"] == "worker-7"
    with pytest.raises(redis.ResponseError, match="Client names cannot contain spaces"):
        named.client_setname("two words")


# Connections ------------------------------------------------------------------------------------


def test_a_killed_connection_is_made_anew(server, client):
    victim = redis.Redis(
        port=server.port, client_name="victim", retry_on_error=[redis.ConnectionError]
    )
    number = victim.client_id()
    assert client.client_kill_filter(_id=str(number)) == 1
    assert victim.ping() is True
    assert victim.client_getname() == "victim"
    assert victim.client_id() > number
    with pytest.raises(redis.ResponseError, match="No such client"):
        client.client_kill("127.0.0.1:1")


def test_a_pool_of_connections_under_threads(server, client):
    pool = redis.BlockingConnectionPool(port=server.port, max_connections=8, timeout=60)

    def work():
        own = redis.Redis(connection_pool=pool)
        for number in range(100):
            own.incr("n")
            own.set(f"k:{number}", "v")
            assert own.get(f"k:{number}") == b"v"

    together(work, threads=16)
    assert client.get("n") == b"1600"
    pool.disconnect()


def test_replies_may_be_turned_off(server):
    with Wire(server) as wire:
        wire.ask("DEL", "quiet")
        wire.send(b"CLIENT REPLY OFF\r\nINCR quiet\r\nINCR quiet\r\nCLIENT REPLY ON\r\n")
        assert wire.reply() == "OK"
        wire.send(b"CLIENT REPLY SKIP\r\nINCR quiet\r\nGET quiet\r\n")
        assert wire.reply() == b"3"
        assert wire.is_quiet()


def test_a_reset_is_answered_even_where_replies_were_off(server):
    with Wire(server) as wire:
        wire.send(b"CLIENT REPLY OFF\r\nPING\r\nRESET\r\nPING\r\n")
        assert wire.replies(2) == ["RESET", "PONG"]
        assert wire.is_quiet()


def test_a_pause_holds_writers_until_it_is_lifted(server, client):
    with Wire(server) as writer, Wire(server) as reader:
        assert client.execute_command("CLIENT", "PAUSE", "100000", "WRITE") == b"OK"
        writer.send(b"SET paused 1\r\n")
        assert reader.ask("GET", "paused") is None
        assert client.client_unpause()
        assert writer.reply() == "OK"
        assert reader.ask("GET", "paused") == b"1"


# Errors -----------------------------------------------------------------------------------------


def test_errors_say_what_redis_says(client):
    for command, said in [
        (("NOPE", "a", "b"), "unknown command 'NOPE', with args beginning with: 'a' 'b'"),
        (("GET",), "wrong number of arguments for 'get' command"),
        (("CLIENT", "NOPE"), "unknown subcommand 'NOPE'. Try CLIENT HELP."),
        (("CLIENT", "GETNAME", "x"), "wrong number of arguments for 'client|getname' command"),
        (("SET", "k", "v", "NOPE"), "syntax error"),
        (("SET", "k", "v", "NX", "XX"), "syntax error"),
        (("EXPIRE", "k", "abc"), "value is not an integer or out of range"),
        (("SETRANGE", "k", "-1", "x"), "offset is out of range"),
        (
            ("SETRANGE", "k", "536870912", "x"),
            r"string exceeds maximum allowed size \(proto-max-bulk-len\)",
        ),
        (("INCRBYFLOAT", "k", "abc"), "value is not a valid float"),
        (("SELECT", "abc"), "value is not an integer or out of range"),
        (("SCAN", "abc"), "invalid cursor"),
        (("SCAN", "0", "COUNT", "0"), "syntax error"),
        (("EVAL", "return 1", "abc"), "value is not an integer"),
        (("EVAL", "return 1", "2", "a"), "Number of keys can't be greater than number of args"),
        (("EVAL", "return 1", "-1"), "Number of keys can't be negative"),
        (("OBJECT", "FREQ"), "wrong number"),
        (("MSET", "a"), "wrong number of arguments for 'mset' command"),
        (("COMMAND", "GETKEYS", "PING", "x"), "The command has no key arguments"),
    ]:
        with pytest.raises(redis.ResponseError, match=said):
            client.execute_command(*command)


def test_a_string_is_not_a_list(server, client):
    """Only where the server has lists: Larder's come later, and until then it says that it does not
    know them.
    """
    client.set("k", "v")
    with pytest.raises(redis.ResponseError) as raised:
        client.lpush("k", "x")
    if "unknown command" not in str(raised.value):
        assert (
            str(raised.value) == "WRONGTYPE Operation against a key holding the wrong kind of value"
        )
