"""Patterns made to be slow: a matcher that backtracks takes longer than the universe is old, a
linear one none.

redis-server 7.0.15 gives up on the first of them after a bound of its own and on others not at all,
so all run on Larder; the bound is the test's own time limit on a reply, not a speed.
"""

import pytest

from wire import Wire

KEY = "a" * 1_000
PATTERNS = {
    "stars in 64 KB": "a*" * 32_768 + "b",
    "stars that could match": "*" + "a*" * 400,
    "stars alone": "*" * 65_536,
    "question marks and stars": "?*" * 32_768 + "b",
    "classes and stars": "[a-z]*" * 10_000 + "b",
    "negated classes and stars": "[^b]*" * 10_000 + "b",
    "a class that never closes": "[" + "a" * 65_536,
    "nothing but opening brackets": "[" * 65_536,
    "nothing but backslashes": "\\" * 65_537,
    "escaped stars": "\\*" * 32_768,
}


@pytest.mark.parametrize("case", PATTERNS)
def test_a_pattern_cannot_hold_the_server(larder, case):
    pattern = PATTERNS[case]
    with Wire(larder) as wire, Wire(larder) as other:
        assert wire.ask("FLUSHALL") == "OK"
        assert wire.ask("SET", KEY, "v") == "OK"
        matches = case in ("stars that could match", "stars alone")
        assert wire.ask("KEYS", pattern) == ([KEY.encode()] if matches else [])
        assert wire.ask("SCAN", "0", "MATCH", pattern, "COUNT", "100")[1] == (
            [KEY.encode()] if matches else []
        )
        assert wire.ask("CONFIG", "GET", pattern) is not None
        assert other.ask("PING") == "PONG"


@pytest.mark.parametrize(
    "pattern, key, matches",
    [
        ("a*b", "ab", True),
        ("a*b", "axxb", True),
        ("a*b", "abc", False),
        ("[a-c]x", "bx", True),
        ("[c-a]x", "bx", True),
        ("[^a]", "b", True),
        ("[^a]", "a", False),
        ("[!a]", "!", True),
        ("a\\*", "a*", True),
        ("a\\*", "ab", False),
        ("?", "", False),
        ("", "", True),
        ("*", "", True),
        ("[a", "a", True),
        ("[", "[", False),
        ("[]", "", False),
        ("\\", "\\", True),
        ("[a-]", "a", True),
        ("[\\]]", "]", True),
        ("a?c", "a\nc", True),
    ],
)
def test_patterns_mean_what_they_mean_in_redis(server, pattern, key, matches):
    with Wire(server) as wire:
        assert wire.ask("FLUSHALL") == "OK"
        assert wire.ask("SET", key, "v") == "OK"
        assert wire.ask("KEYS", pattern) == ([key.encode()] if matches else [])
        assert wire.ask("SCAN", "0", "MATCH", pattern)[1] == ([key.encode()] if matches else [])
