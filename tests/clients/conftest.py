"""What every suite of real clients shares: the servers it runs against.

    server       a running server of each chosen kind (`--servers larder,redis`), new for each file
    server_kind  the kind's name only, for a test that starts its own Server with flags
    larder       a running Larder only, for what is not compared with redis-server
"""

import pytest

from servers import KINDS, Server


def pytest_addoption(parser):
    parser.addoption(
        "--servers", default=",".join(KINDS), help="comma-separated servers to test: larder, redis"
    )


def pytest_configure(config):
    unknown = [kind for kind in chosen_kinds(config) if kind not in KINDS]
    if unknown:
        raise pytest.UsageError(f"--servers: no such server: {', '.join(unknown)}")


def chosen_kinds(config):
    return [kind for kind in config.getoption("--servers").split(",") if kind]


def pytest_generate_tests(metafunc):
    if "server_kind" in metafunc.fixturenames:
        metafunc.parametrize("server_kind", chosen_kinds(metafunc.config), scope="module")


@pytest.fixture(scope="module")
def server(server_kind):
    with Server(server_kind) as running:
        yield running


@pytest.fixture(scope="module")
def larder():
    with Server("larder") as running:
        yield running
