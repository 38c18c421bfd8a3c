"""Symfony Cache of Debian over phpredis and over Predis, from its suite in symfony_cache.php."""

import pathlib

from scripted import Script

HERE = pathlib.Path(__file__).resolve().parent


def over(driver):
    return Script("/usr/bin/env", f"DRIVER={driver}", "/usr/bin/php", HERE / "symfony_cache.php")


PHPREDIS = over("phpredis")
PREDIS = over("predis")

phpredis_outcome = PHPREDIS.fixture()
predis_outcome = PREDIS.fixture()

test_symfony_over_phpredis = PHPREDIS.test("phpredis_outcome")
test_symfony_over_predis = PREDIS.test("predis_outcome")
