"""The Django project's tests, each on each server; and that the two servers counted the same."""


def test_shop(shop_run, server_kind, shop_test):
    record = shop_run(server_kind).get(shop_test)
    assert record, "was not run"
    assert record["outcome"] == "passed", record["detail"]


def test_equal_traffic(both_servers, shop_run, shop_test):
    """Hits, misses, calls of each command and the keys that are left, test by test."""
    ours, theirs = (shop_run(kind)[shop_test]["traffic"] for kind in ["larder", "redis"])
    assert ours and theirs, "no traffic noted: the test did not get to its end"
    assert ours["keys"] == theirs["keys"]
    if not theirs["counts_vary"]:
        assert ours["counts"] == theirs["counts"]


def test_equal_scenario(both_servers, scenario):
    ours, theirs = scenario("larder"), scenario("redis")
    assert theirs["counters"]["keyspace_hits"] > 100 and theirs["counters"]["keyspace_misses"] > 100
    assert ours["counters"] == theirs["counters"]
    assert ours["left"] == theirs["left"]
    assert ours["seen"] == theirs["seen"]


def test_scenario_signed_in(scenario, server_kind):
    """The same morning on a server that wants a password."""
    assert scenario(server_kind, "--requirepass", "leaves", password="leaves") == scenario(
        server_kind
    )
