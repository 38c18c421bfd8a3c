"""phpredis of Debian, from its suite in phpredis.php."""

import pathlib

from scripted import Script

HERE = pathlib.Path(__file__).resolve().parent
# A 64 MB value, sent and come back, is more than PHP allows itself by default.
PHPREDIS = Script("/usr/bin/php", "-d", "memory_limit=1G", HERE / "phpredis.php")

phpredis_outcome = PHPREDIS.fixture()
test_phpredis = PHPREDIS.test("phpredis_outcome")
