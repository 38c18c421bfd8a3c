"""Runs the shop, a Django project of its own process, and hands its outcome to pytest.

The project's tests run once for each server, under Django's own runner with real settings; pytest
shows each of them as one test. `shop_run(kind)` is the report of that run, made when the first test
asks for it.
"""

import functools
import json
import os
import pathlib
import subprocess
import tempfile

import pytest

from servers import KINDS, Server

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"
RUN_WITHIN_SECONDS = 300

# These are Django's to run, inside the project.
collect_ignore = ["catalogue", "shop"]


class ShopFailed(Exception):
    """manage.py did not get to its end; says what it printed."""


def manage(*arguments, url="redis://127.0.0.1:1"):
    """Runs ./manage.py and answers (status, stdout, stderr)."""
    done = subprocess.run(
        [PYTHON, "manage.py", *arguments],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_SECONDS,
        env={**os.environ, "CACHE_URL": url, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return done.returncode, done.stdout, done.stderr


def manage_report(*arguments, url="redis://127.0.0.1:1"):
    with tempfile.TemporaryDirectory(prefix="shop-") as home:
        path = os.path.join(home, "report.json")
        status, said, complained = manage("test", "--report", path, *arguments, url=url)
        if not os.path.exists(path):
            raise ShopFailed(f"manage.py test ended with status {status}:\n{said}{complained}")
        with open(path) as report:
            return json.load(report)


@functools.lru_cache(maxsize=None)
def shop_tests():
    return manage_report("--list")


@functools.lru_cache(maxsize=None)
def shop_run_on(kind):
    with Server(kind) as server:
        return manage_report(url=server.url())


def scenario_on(kind, *flags, password=None):
    with Server(kind, *flags, password=password) as server:
        status, said, complained = manage("scenario", url=server.url())
    if status != 0:
        raise ShopFailed(f"manage.py scenario ended with status {status}:\n{said}{complained}")
    return json.loads(said)


def pytest_generate_tests(metafunc):
    if "shop_test" in metafunc.fixturenames:
        metafunc.parametrize("shop_test", shop_tests())


@pytest.fixture(scope="session")
def shop_run():
    return shop_run_on


@pytest.fixture(scope="session")
def scenario():
    return functools.lru_cache(maxsize=None)(scenario_on)


@pytest.fixture(scope="session")
def both_servers(request):
    """For what compares the two: says so when only one was chosen."""
    if set(request.config.getoption("--servers").split(",")) != set(KINDS):
        pytest.skip("compares the two servers: needs --servers larder,redis")
