"""Users as operators meet them: in config and ACL files, exchanged with redis-server, through
redis-cli and redis-py; and what a guesser of passwords meets."""

import re
import socket
import subprocess

import pytest
import redis

from servers import STOPPED_WITHIN_SECONDS, Server, larder_binary
from wire import Wire

PASSWORD = "oolong"


def larder_says_no(*words):
    """It ends at once, and says why."""
    done = subprocess.run(
        [str(larder_binary()), "--port", "0", *words],
        capture_output=True,
        text=True,
        timeout=STOPPED_WITHIN_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    return done.stdout + done.stderr


class From(Wire):
    """A connection from one of the addresses that all lead here."""

    def __init__(self, server, address):
        super().__init__(server)
        self.close()
        self.socket = socket.create_connection(
            (server.host, server.port), timeout=30, source_address=(address, 0)
        )


def test_a_guesser_waits_and_nobody_else_does(tmp_path):
    log = tmp_path / "log"
    flags = ("--requirepass", PASSWORD, "--auth-failure-limit", "3", "--logfile", str(log))
    with Server("larder", *flags, password=PASSWORD) as server:
        with From(server, "127.0.0.2") as early, From(server, "127.0.0.2") as guesser:
            assert early.ask("AUTH", PASSWORD) == "OK"
            for guess in ("green", "black", "white"):
                refused = guesser.ask("AUTH", "default", guess)
                assert refused.startswith("WRONGPASS invalid username-password pair")
            assert guesser.ask("AUTH", "nobody", PASSWORD).startswith("WRONGPASS too many failures")
            with From(server, "127.0.0.2") as another:
                assert another.ask("AUTH", PASSWORD).startswith("WRONGPASS too many failures")
            with From(server, "127.0.0.3") as neighbour:
                assert neighbour.ask("AUTH", PASSWORD) == "OK"
            assert early.ask("PING") == "PONG"
        said = log.read_text()
    # server/security/README.md has this expression for fail2ban.
    hosts = re.findall(r"Authentication failed from \[?([0-9a-f.:]+)\]?:\d+ as", said)
    assert hosts == ["127.0.0.2"] * 3
    for secret in ("green", "black", "white", PASSWORD):
        assert secret not in said


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "larder.conf"
    file.write_text(
        "# who may come\nuser default off\n"
        f"user ann on >{PASSWORD} ~tea:* +@read +ping +client\nuser root on nopass ~* &* +@all\n"
    )
    return file


def test_users_of_a_config_file_survive_its_rewrite(config):
    with Server("larder", "--config", str(config)) as server:
        with Wire(server) as wire:
            assert wire.ask("PING").startswith("NOAUTH")
            assert wire.ask("AUTH", "ann", PASSWORD) == "OK"
            assert wire.ask("GET", "coffee").startswith("NOPERM")
            assert wire.ask("GET", "tea:1") is None
            assert wire.ask("AUTH", "root", "") == "OK"
            assert wire.ask("ACL", "SETUSER", "bob", "on", ">b", "(%R~b +get)") == "OK"
            assert wire.ask("CONFIG", "REWRITE") == "OK"
            before = wire.ask("ACL", "LIST")
    text = config.read_text()
    assert text.startswith("# who may come\n")
    assert PASSWORD not in text
    with Server("larder", "--config", str(config)) as server, Wire(server) as wire:
        assert wire.ask("AUTH", "root", "") == "OK"
        assert wire.ask("ACL", "LIST") == before


def test_a_wrong_rule_ends_the_start(tmp_path):
    file = tmp_path / "larder.conf"
    file.write_text(f"port 0\nuser ann on >{PASSWORD} +nonsense\n")
    for words in (["--config", str(file)], ["--check-config", str(file)]):
        said = larder_says_no(*words)
        assert "larder.conf:2: Error in applying operation '+nonsense'" in said
        assert PASSWORD not in said
    users = tmp_path / "users.acl"
    users.write_text("user ann on (+get\n")
    assert "users.acl:1: Unmatched parenthesis" in larder_says_no("--aclfile", str(users))
    file.write_text(f"user ann on\naclfile {users}\n")
    assert "not in both" in larder_says_no("--config", str(file))
    assert "opening file" in larder_says_no("--aclfile", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("first, second", [("redis", "larder"), ("larder", "redis")])
def test_acl_files_are_exchanged_with_redis(tmp_path, first, second):
    file = tmp_path / "users.acl"
    file.write_text("user default on nopass ~* &* +@all\n")
    with Server(first, "--aclfile", str(file)) as server, Wire(server) as wire:
        rules = ("on", ">x", ">y", "~a:*", "%R~b", "&c", "+@read", "-get", "(%W~d +set)")
        assert wire.ask("ACL", "SETUSER", "ann", *rules) == "OK"
        assert wire.ask("ACL", "SETUSER", "bob", "+@all", "-@dangerous") == "OK"
        assert wire.ask("ACL", "SAVE") == "OK"
        ann = wire.ask("ACL", "GETUSER", "ann")
    with Server(second, "--aclfile", str(file)) as server, Wire(server) as wire:
        assert wire.ask("ACL", "GETUSER", "ann") == ann
        assert wire.ask("AUTH", "ann", "y") == "OK"
        assert wire.ask("MGET", "a:1", "b") == [None, None]
        assert wire.ask("GET", "a:1").startswith("NOPERM")


def test_redis_cli_and_redis_py_sign_in_as_users():
    with Server("larder") as server:
        owner = redis.Redis(port=server.port, decode_responses=True)
        owner.acl_setuser(
            "ann",
            enabled=True,
            passwords=["+" + PASSWORD],
            categories=["+@read", "+@connection"],
            keys=["tea:*"],
        )
        assert owner.acl_users() == ["ann", "default"]
        ann = owner.acl_getuser("ann")
        assert ann["keys"] == ["~tea:*"]
        assert "on" in ann["flags"]
        for protocol in ("-2", "-3"):
            words = ["redis-cli", protocol, "-p", str(server.port), "--no-auth-warning"]
            words += ["--user", "ann", "--pass", PASSWORD, "ACL", "WHOAMI"]
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=STOPPED_WITHIN_SECONDS, check=True
            )
            assert "NOPERM" in done.stdout  # signed in, and not allowed to ask who it is
        guest = redis.Redis(
            port=server.port, username="ann", password=PASSWORD, decode_responses=True
        )
        assert guest.get("tea:1") is None
        with pytest.raises(redis.exceptions.NoPermissionError):
            guest.set("tea:1", "x")
        refusals = owner.acl_log()
        assert [entry["object"] for entry in refusals] == ["set", "acl|whoami"]
        assert owner.acl_log_reset()
        assert owner.acl_deluser("ann") == 1
        with pytest.raises(redis.exceptions.ResponseError):
            redis.Redis(port=server.port, username="ann", password=PASSWORD).ping()
