#!/usr/bin/python3
"""The same random commands to Larder and to redis-server: every reply is compared, and from time to
time the whole state.

    differential.py                                   20,000 commands, families as they come
    differential.py --commands 2000000 --seed 7       for hours
    differential.py --families hash zset generic      only these
    LARDER_BINARY=build/asan/larder differential.py   another build

Commands come in rounds that begin with an empty server, so that what differs can be told in few
commands: a round in which something differs is run again with ever fewer of them, and what is left
is printed. Where the two rightly differ (grammar.py makes no command whose reply is up to chance)
normalised() says how a reply is compared.
"""

import argparse
import itertools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "clients"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import grammar  # noqa: E402
from servers import Server  # noqa: E402
from wire import ErrorReply, Wire, packed  # noqa: E402

# Commands of a round, and how many are sent before their replies are read.
ROUND_COMMANDS = 400
BATCH = 50
ILL_FORMED_SHARE = 0.08

UNORDERED = {b"KEYS", b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"HKEYS", b"HVALS", b"SPOP", b"SRANDMEMBER"}
UNORDERED_PAIRS = {b"HGETALL"}
PAIRS_ON_DEMAND = {b"HRANDFIELD": b"WITHVALUES", b"ZRANDMEMBER": b"WITHSCORES"}
SCANS = {b"SCAN": 1, b"SSCAN": 1, b"HSCAN": 2, b"ZSCAN": 2}
# What redis-server 7.0.15 calls otherwise than 7.4, and what a whole number may be kept as.
SAME_ENCODING = {b"listpack": b"compact", b"quicklist": b"compact", b"hashtable": b"compact", b"embstr": b"short",
                 b"int": b"short", b"raw": b"short"}



def grouped(items, size):
    return sorted((tuple(items[i:i + size]) for i in range(0, len(items), size)), key=repr)


def normalised(words, reply):
    """The reply as it is compared."""
    name = words[0].upper()
    if isinstance(reply, ErrorReply):
        return ("error", str(reply))
    if name == b"OBJECT" and isinstance(reply, bytes):
        return SAME_ENCODING.get(reply, reply)
    if name in (b"TTL", b"PTTL") and isinstance(reply, int) and reply > 0:
        return "some time"
    if not isinstance(reply, list):
        return reply
    if name in SCANS and len(reply) == 2 and isinstance(reply[1], list):
        return grouped(reply[1], SCANS[name])
    if name == b"XPENDING" and len(words) > 3:
        return [(entry[0], entry[1], entry[3]) for entry in reply]  # without how long ago
    if name == b"XINFO" and len(words) > 1 and words[1].upper() == b"GROUPS":
        return [group[:2] + group[4:] for group in reply]  # since 7.2 who finds nothing is a consumer too
    if name in UNORDERED:
        return sorted(reply, key=repr)
    if name in UNORDERED_PAIRS:
        return grouped(reply, 2)
    if name in PAIRS_ON_DEMAND:
        has_pairs = any(word.upper() == PAIRS_ON_DEMAND[name] for word in words)
        return grouped(reply, 2 if has_pairs else 1)
    return reply


def is_newer(words, ours):
    """What is refused since 7.2: arguments that are looked at before the key, and the rank that has no
    opposite."""
    name = words[0].upper()
    is_refused = name in (b"BITCOUNT", b"BITPOS") or (name == b"LPOS" and b"-9223372036854775808" in words)
    return is_refused and isinstance(ours, ErrorReply)


def alike(words, ours, theirs):
    return is_newer(words, ours) or normalised(words, ours) == normalised(words, theirs)


class Sides:
    """One connection to each server, and what of a transaction is open."""

    def __init__(self, servers):
        self.wires = [Wire(server) for server in servers]
        self.queued = None

    def exchange(self, commands):
        """The replies of both, command by command."""
        request = b"".join(packed(*words) for words in commands)
        for wire in self.wires:
            wire.send(request)
        return list(zip(*[[wire.reply() for _ in commands] for wire in self.wires]))

    def agree(self, words, replies):
        name = words[0].upper()
        queued, self.queued = self.queued, self.after(name, words, replies)
        if name == b"EXEC" and queued is not None and all(isinstance(r, list) for r in replies):
            if not all(len(r) == len(queued) for r in replies):
                return False
            return all(alike(q, a, b) for q, a, b in zip(queued, *replies))
        return alike(words, *replies)

    def after(self, name, words, replies):
        if name == b"MULTI" and self.queued is None:
            return [] if replies[0] == "OK" else None
        if self.queued is None or name in (b"EXEC", b"DISCARD"):
            return None if name in (b"EXEC", b"DISCARD") and len(words) == 1 else self.queued
        return self.queued + [words] if replies[0] == "QUEUED" else self.queued

    def empty(self):
        self.queued = None
        self.exchange([[b"DISCARD"], [b"FLUSHALL"], [b"FUNCTION", b"FLUSH"]])

    def state_differs(self):
        """What the keys hold, where that differs; nothing when it is the same."""
        if self.queued is not None:
            return None
        keys = self.exchange([[b"KEYS", b"*"]])[0]
        if sorted(keys[0]) != sorted(keys[1]):
            return ("KEYS", sorted(keys[0]), sorted(keys[1]))
        readers = {b"string": lambda k: [b"GET", k], b"hash": lambda k: [b"HGETALL", k], b"set": lambda k: [b"SMEMBERS", k],
                   b"list": lambda k: [b"LRANGE", k, b"0", b"-1"], b"zset": lambda k: [b"ZRANGE", k, b"0", b"-1", b"WITHSCORES"],
                   b"stream": lambda k: [b"XRANGE", k, b"-", b"+"]}
        for key in sorted(keys[0]):
            kinds = self.exchange([[b"TYPE", key]])[0]
            if kinds[0] != kinds[1]:
                return (key, *kinds)
            reads = [readers[kinds[0].encode()](key), [b"TTL", key]]
            if kinds[0] == "stream":
                reads += [[b"XINFO", b"STREAM", key], [b"XINFO", b"GROUPS", key]]
            for words, replies in zip(reads, self.exchange(reads)):
                if normalised(words, replies[0]) != normalised(words, replies[1]):
                    return (words, *replies)
        return None


def first_difference(sides, commands):
    """Runs a round; (how many commands it took, what differed) or None."""
    sides.empty()
    for start in range(0, len(commands), BATCH):
        batch = commands[start:start + BATCH]
        for i, (words, replies) in enumerate(zip(batch, sides.exchange(batch))):
            if not sides.agree(words, replies):
                return start + i + 1, (words, *replies)
    state = sides.state_differs()
    return (len(commands), state) if state else None


def shrunk(sides, commands):
    """Ever fewer commands between which and the servers something differs."""
    size = len(commands) // 2
    while size >= 1:
        start = 0
        while start < len(commands):
            fewer = commands[:start] + commands[start + size:]
            found = first_difference(sides, fewer)
            if found:
                commands = fewer[:found[0]]
            else:
                start += size
        size //= 2
    return commands


def round_of(chance, families):
    """Commands of all families, half of them of one; some are ill-formed."""
    leaning = chance.choice(families)
    commands = []
    for _ in range(ROUND_COMMANDS):
        family = leaning if chance.random() < 0.5 else chance.choice(families)
        is_odd = chance.random() < ILL_FORMED_SHARE
        commands.append(grammar.ill_formed(chance, [family]) if is_odd else grammar.FAMILIES[family](chance))
    return commands


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--families", nargs="+", choices=list(grammar.FAMILIES), default=list(grammar.FAMILIES))
    parser.add_argument("--differences", type=int, default=5, help="stop after so many")
    options = parser.parse_args()
    tried = 0
    differences = 0
    with Server("larder") as larder, Server("redis") as redis:
        sides = Sides((larder, redis))
        for number in itertools.count():
            if tried >= options.commands or differences >= options.differences:
                break
            commands = round_of(grammar.Chance(f"{options.seed}/{number}"), options.families)
            found = first_difference(sides, commands)
            tried += found[0] if found else len(commands)
            if found:
                differences += 1
                few = shrunk(sides, commands[:found[0]])
                print(f"--- difference {differences}, seed {options.seed}, round {number}")
                for words in few:
                    print("   ", *[repr(word)[1:] for word in words])
                command, *replies = found[1]
                print("  differs:", command)
                print("  larder:", replies[0])
                print("  redis: ", replies[1])
    print(f"{tried} commands tried, {differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
