"""ioredis, node-redis and what is built on them, from the suites in the .mjs files beside.

The libraries come from npm, at the versions that package-lock.json pins, into node_modules.
"""

import functools
import pathlib
import shutil
import subprocess

from scripted import Script

HERE = pathlib.Path(__file__).resolve().parent
INSTALLED_WITHIN_SECONDS = 300


@functools.cache
def install():
    """What the lock file says, unless it is there already."""
    wanted = HERE / "package-lock.json"
    there = HERE / "node_modules" / ".of-package-lock.json"
    if there.exists() and there.read_bytes() == wanted.read_bytes():
        return
    done = subprocess.run(
        [shutil.which("npm") or "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=HERE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALLED_WITHIN_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copyfile(wanted, there)


IOREDIS = Script(shutil.which("node") or "node", HERE / "ioredis.mjs", prepare=install)
NODE_REDIS = Script(shutil.which("node") or "node", HERE / "node_redis.mjs", prepare=install)
BULLMQ = Script(shutil.which("node") or "node", HERE / "bullmq.mjs", prepare=install)
FRAMEWORKS = Script(shutil.which("node") or "node", HERE / "frameworks.mjs", prepare=install)

ioredis_outcome = IOREDIS.fixture()
node_redis_outcome = NODE_REDIS.fixture()
bullmq_outcome = BULLMQ.fixture()
frameworks_outcome = FRAMEWORKS.fixture()

test_ioredis = IOREDIS.test("ioredis_outcome")
test_node_redis = NODE_REDIS.test("node_redis_outcome")
test_bullmq = BULLMQ.test("bullmq_outcome")
test_frameworks = FRAMEWORKS.test("frameworks_outcome")
