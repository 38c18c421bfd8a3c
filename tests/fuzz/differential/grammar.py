"""Random commands: of every family, well-formed for the most part, over few keys and few values, so
that commands meet each other's leavings."""

import random

KEYS = [b"a", b"b", b"c", b"d", b"e{x}", b"f"]
# Ranges of names mean something only where all scores are the same: nothing else is put there.
ONE_SCORE = b"names"
# One word more means something since 7.2.
NEWER_WORD = (b"ZRANK", b"ZREVRANK")
WORDS = [b"", b"a", b"b", b"field", b"member-of-some-length", b"x" * 64, b"y" * 65, b"\x00\xff\r\n",
         b"0", b"1", b"-1", b"2", b"3", b"10", b"17", b"127", b"128", b"32768", b"-2147483649",
         b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"01", b"+1", b" 1",
         b"1.5", b"-0", b"3.0", b"1e3", b"hello world"]
# No -0: redis-server loses its sign on some of the ways from one encoding to the other.
FLOATS = [b"0", b"1", b"-1", b"1.5", b"-2.25", b"3", b"1e3", b"1e-3", b"0.1", b"1e20", b"17", b"inf", b"-inf",
          b"+inf", b"nan", b"x", b"", b"1e400"]
INTEGERS = [b"0", b"1", b"-1", b"2", b"3", b"5", b"10", b"-3", b"100", b"-100", b"1000000"]
BAD_INTEGERS = [b"x", b"", b"1.5", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b" 1"]
PATTERNS = [b"*", b"a*", b"[a-c]", b"?", b"x", b"\\*", b"[^a]*", b""]


class Chance(random.Random):
    def key(self):
        return self.choice(KEYS)

    def word(self):
        return self.choice(WORDS)

    def words(self, most=5):
        return [self.word() for _ in range(self.randint(1, most))]

    def number(self):
        return self.choice(BAD_INTEGERS) if self.random() < 0.06 else self.choice(INTEGERS)

    def span(self):
        """Seconds: none that pass during a round."""
        return self.choice([b"1000", b"100000", b"0", b"-1", b"x", b"9223372036854775807"])

    def small(self):
        return self.choice([b"0", b"1", b"2", b"3", b"-1", b"-2", b"7", b"-7", b"100"])

    def score(self):
        return self.choice(FLOATS) if self.random() < 0.3 else self.choice(FLOATS[:10])

    def maybe(self, *words, share=0.3):
        return list(words) if self.random() < share else []

    def one_of(self, *alternatives):
        return list(self.choice(alternatives))

    def pairs(self, first, second, most=4):
        return [w for _ in range(self.randint(1, most)) for w in (first(), second())]

    def keys_counted(self, most=3):
        keys = [self.key() for _ in range(self.randint(1, most))]
        count = len(keys) if self.random() < 0.95 else self.choice([0, -1, 99])
        return [b"%d" % count] + keys

    def score_bound(self):
        return self.choice([b"", b"("]) + self.choice([b"-inf", b"+inf", b"0", b"1", b"2", b"-1.5", b"3", b"x"])

    def lex_bound(self):
        return self.choice([b"-", b"+", b"[a", b"(a", b"[b", b"[m", b"(x", b"[", b"", b"a"])

    def limit(self):
        return self.maybe(b"LIMIT", self.small(), self.small())


def strings(c):
    k = c.key()
    return c.choice([
        lambda: [b"SET", k, c.word()] + c.one_of([], [], [b"NX"], [b"XX"], [b"GET"], [b"KEEPTTL"], [b"EX", b"100"],
                                                 [b"PX", b"100000"], [b"NX", b"XX"], [b"EX", c.span()]),
        lambda: [b"GET", k], lambda: [b"GETSET", k, c.word()], lambda: [b"GETDEL", k],
        lambda: [b"GETEX", k] + c.one_of([], [b"EX", b"100"], [b"PERSIST"], [b"EX", c.span()]),
        lambda: [b"APPEND", k, c.word()], lambda: [b"STRLEN", k], lambda: [b"SETNX", k, c.word()],
        lambda: [b"GETRANGE", k, c.small(), c.number()],
        lambda: [b"SETRANGE", k, c.choice([b"0", b"1", b"5", b"70", b"-1", b"x"]), c.word()],
        lambda: [b"INCR", k], lambda: [b"DECR", k], lambda: [b"INCRBY", k, c.number()],
        lambda: [b"DECRBY", k, c.number()], lambda: [b"INCRBYFLOAT", k, c.score()],
        lambda: [b"MSET"] + c.pairs(c.key, c.word), lambda: [b"MSETNX"] + c.pairs(c.key, c.word),
        lambda: [b"MGET", k, c.key(), c.key()], lambda: [b"LCS", k, c.key()] + c.one_of([], [b"LEN"], [b"IDX"]),
    ])()


def bitmaps(c):
    k = c.key()
    offset = lambda: c.choice([b"0", b"1", b"7", b"8", b"63", b"100", b"1000", b"-1", b"x", b"4294967296"])
    unit = lambda: c.one_of([], [], [b"BYTE"], [b"BIT"], [b"x"])
    field = lambda: c.one_of([b"GET", kind(), place()], [b"SET", kind(), place(), c.choice(INTEGERS)],
                             [b"INCRBY", kind(), place(), c.number()], [b"OVERFLOW", c.choice([b"WRAP", b"SAT", b"FAIL", b"x"])])
    kind = lambda: c.choice([b"u8", b"i8", b"u1", b"i64", b"u63", b"i5", b"u64", b"i0", b"x", b"u16"])
    place = lambda: c.choice([b"0", b"#0", b"#1", b"#3", b"5", b"100", b"-1", b"#x"])
    return c.choice([
        lambda: [b"SETBIT", k, offset(), c.choice([b"0", b"1", b"1", b"2", b"x"])],
        lambda: [b"GETBIT", k, offset()],
        lambda: [b"BITCOUNT", k] + c.one_of([], [c.small(), c.small()] + unit(), [c.small()]),
        lambda: [b"BITPOS", k, c.choice([b"0", b"1", b"2"])] + c.one_of([], [c.small()], [c.small(), c.small()] + unit()),
        lambda: [b"BITOP", c.choice([b"AND", b"OR", b"XOR", b"NOT", b"x"]), c.key(), k] + c.maybe(c.key(), share=0.6),
        lambda: [b"BITFIELD", k] + field() + c.maybe(*field(), share=0.5),
        lambda: [b"BITFIELD_RO", k, b"GET", kind(), place()],
        lambda: [b"PFADD", k] + c.words(), lambda: [b"PFCOUNT", k] + c.maybe(c.key()),
        lambda: [b"PFMERGE", c.key(), k],
    ])()


def hashes(c):
    k = c.key()
    return c.choice([
        lambda: [b"HSET", k] + c.pairs(c.word, c.word), lambda: [b"HSET", k, c.word()],
        lambda: [b"HMSET", k] + c.pairs(c.word, c.word), lambda: [b"HSETNX", k, c.word(), c.word()],
        lambda: [b"HGET", k, c.word()], lambda: [b"HMGET", k] + c.words(), lambda: [b"HGETALL", k],
        lambda: [b"HDEL", k] + c.words(), lambda: [b"HEXISTS", k, c.word()], lambda: [b"HLEN", k],
        lambda: [b"HKEYS", k], lambda: [b"HVALS", k], lambda: [b"HSTRLEN", k, c.word()],
        lambda: [b"HINCRBY", k, c.word(), c.number()], lambda: [b"HINCRBYFLOAT", k, c.word(), c.score()],
        lambda: [b"HRANDFIELD", k, c.choice([b"0", b"1000", b"x"])] + c.maybe(b"WITHVALUES"),
        lambda: [b"HSCAN", k, b"0", b"COUNT", b"100000"] + c.maybe(b"MATCH", c.choice(PATTERNS)),
    ])()


def lists(c):
    k = c.key()
    side = lambda: c.choice([b"LEFT", b"RIGHT", b"RIGHT", b"x"])
    return c.choice([
        lambda: [b"LPUSH", k] + c.words(), lambda: [b"RPUSH", k] + c.words(), lambda: [b"RPUSH", k] + c.words(30),
        lambda: [b"LPUSHX", k] + c.words(), lambda: [b"RPUSHX", k] + c.words(),
        lambda: [b"LPOP", k] + c.maybe(c.small()), lambda: [b"RPOP", k] + c.maybe(c.small()),
        lambda: [b"LLEN", k], lambda: [b"LRANGE", k, c.small(), c.number()], lambda: [b"LINDEX", k, c.number()],
        lambda: [b"LSET", k, c.number(), c.word()],
        lambda: [b"LINSERT", k, c.choice([b"BEFORE", b"AFTER", b"x"]), c.word(), c.word()],
        lambda: [b"LREM", k, c.number(), c.word()], lambda: [b"LTRIM", k, c.small(), c.small()],
        lambda: [b"LPOS", k, c.word()] + c.maybe(b"RANK", c.small()) + c.maybe(b"COUNT", c.small()) + c.maybe(b"MAXLEN", c.small()),
        lambda: [b"LMOVE", k, c.key(), side(), side()], lambda: [b"RPOPLPUSH", k, c.key()],
        lambda: [b"LMPOP"] + c.keys_counted() + [side()] + c.maybe(b"COUNT", c.small()),
    ])()


def sets(c):
    k = c.key()
    keys = lambda: [c.key() for _ in range(c.randint(1, 3))]
    return c.choice([
        lambda: [b"SADD", k] + c.words(), lambda: [b"SADD", k] + [b"%d" % c.randint(-5, 600) for _ in range(20)],
        lambda: [b"SREM", k] + c.words(), lambda: [b"SMEMBERS", k], lambda: [b"SISMEMBER", k, c.word()],
        lambda: [b"SMISMEMBER", k] + c.words(), lambda: [b"SCARD", k], lambda: [b"SPOP", k, b"100000"],
        lambda: [b"SRANDMEMBER", k, c.choice([b"0", b"100000", b"x"])], lambda: [b"SMOVE", k, c.key(), c.word()],
        lambda: [b"SINTER"] + keys(), lambda: [b"SUNION"] + keys(), lambda: [b"SDIFF"] + keys(),
        lambda: [b"SINTERSTORE", k] + keys(), lambda: [b"SUNIONSTORE", k] + keys(), lambda: [b"SDIFFSTORE", k] + keys(),
        lambda: [b"SINTERCARD"] + c.keys_counted() + c.maybe(b"LIMIT", c.small()),
        lambda: [b"SSCAN", k, b"0", b"COUNT", b"100000"] + c.maybe(b"MATCH", c.choice(PATTERNS)),
    ])()


def zsets(c):
    k = c.key()
    scores = lambda: c.maybe(b"WITHSCORES")
    weights = lambda: c.maybe(b"WEIGHTS", c.score(), c.score(), share=0.2) + c.maybe(b"AGGREGATE", c.choice([b"SUM", b"MIN", b"MAX", b"x"]))
    flags = lambda: c.one_of([], [], [], [b"NX"], [b"XX"], [b"GT"], [b"LT"], [b"XX", b"GT"], [b"NX", b"GT"]) + c.maybe(b"CH")
    side = lambda: c.choice([b"MIN", b"MAX", b"MIN", b"x"])
    return c.choice([
        lambda: [b"ZADD", k] + flags() + c.pairs(c.score, c.word), lambda: [b"ZADD", k] + flags() + c.pairs(c.score, c.word, 30),
        lambda: [b"ZADD", ONE_SCORE] + c.pairs(lambda: b"0", c.word, 10),
        lambda: [b"ZADD", k] + flags() + [b"INCR", c.score(), c.word()],
        lambda: [b"ZREM", k] + c.words(), lambda: [b"ZSCORE", k, c.word()], lambda: [b"ZMSCORE", k] + c.words(),
        lambda: [b"ZINCRBY", k, c.score(), c.word()], lambda: [b"ZCARD", k],
        lambda: [b"ZCOUNT", k, c.score_bound(), c.score_bound()], lambda: [b"ZLEXCOUNT", ONE_SCORE, c.lex_bound(), c.lex_bound()],
        lambda: [b"ZRANK", k, c.word()], lambda: [b"ZREVRANK", k, c.word()],
        lambda: [b"ZRANGE", k, c.small(), c.number()] + c.maybe(b"REV") + scores(),
        lambda: [b"ZRANGE", k, c.score_bound(), c.score_bound(), b"BYSCORE"] + c.maybe(b"REV") + c.limit() + scores(),
        lambda: [b"ZRANGE", ONE_SCORE, c.lex_bound(), c.lex_bound(), b"BYLEX"] + c.maybe(b"REV") + c.limit(),
        lambda: [b"ZREVRANGE", k, c.small(), c.small()] + scores(),
        lambda: [b"ZRANGEBYSCORE", k, c.score_bound(), c.score_bound()] + scores() + c.limit(),
        lambda: [b"ZREVRANGEBYSCORE", k, c.score_bound(), c.score_bound()] + c.limit() + scores(),
        lambda: [b"ZRANGEBYLEX", ONE_SCORE, c.lex_bound(), c.lex_bound()] + c.limit(),
        lambda: [b"ZREVRANGEBYLEX", ONE_SCORE, c.lex_bound(), c.lex_bound()] + c.limit(),
        lambda: [b"ZRANGESTORE", c.key(), k, c.small(), c.small()] + c.maybe(b"REV"),
        lambda: [b"ZRANGESTORE", c.key(), k, c.score_bound(), c.score_bound(), b"BYSCORE"] + c.limit(),
        lambda: [b"ZPOPMIN", k] + c.maybe(c.small()), lambda: [b"ZPOPMAX", k] + c.maybe(c.small()),
        lambda: [b"ZMPOP"] + c.keys_counted() + [side()] + c.maybe(b"COUNT", c.small()),
        lambda: [b"ZREMRANGEBYRANK", k, c.small(), c.small()],
        lambda: [b"ZREMRANGEBYSCORE", k, c.score_bound(), c.score_bound()],
        lambda: [b"ZREMRANGEBYLEX", ONE_SCORE, c.lex_bound(), c.lex_bound()],
        lambda: [c.choice([b"ZUNION", b"ZINTER"])] + c.keys_counted() + weights() + scores(),
        lambda: [b"ZDIFF"] + c.keys_counted() + scores(),
        lambda: [c.choice([b"ZUNIONSTORE", b"ZINTERSTORE"]), k] + c.keys_counted() + weights(),
        lambda: [b"ZDIFFSTORE", k] + c.keys_counted(),
        lambda: [b"ZINTERCARD"] + c.keys_counted() + c.maybe(b"LIMIT", c.small()),
        lambda: [b"ZRANDMEMBER", k, c.choice([b"0", b"1000", b"x"])] + scores(),
        lambda: [b"ZSCAN", k, b"0", b"COUNT", b"100000"] + c.maybe(b"MATCH", c.choice(PATTERNS)),
    ])()


def streams(c):
    k = c.key()
    new = lambda: c.choice([b"1-*", b"2-*", b"5-*", b"5-*", b"9-*", b"9-*", b"3-3", b"9", b"10-5", b"7-7", b"0-0", b"0-*", b"x"])
    some = lambda: c.choice([b"0", b"1", b"1-0", b"2-1", b"3-3", b"5-1", b"5-2", b"5", b"7-7", b"9-0", b"9-1", b"9-2", b"10-5", b"11"])
    bound = lambda: c.choice([b"-", b"+", b"(", b"x", b"(x", b""]) if c.random() < 0.3 else c.choice([b"", b"("]) + some()
    group = lambda: c.choice([b"g", b"g", b"h", b"none"])
    who = lambda: c.choice([b"ada", b"bob", b"cid"])
    trim = lambda: [c.choice([b"MAXLEN", b"MINID"])] + c.one_of([], [b"="], [b"~"]) + [c.choice([b"0", b"1", b"3", b"5-1", b"9", b"-1", b"x"])] + c.maybe(b"LIMIT", c.small(), share=0.1)
    count = lambda: c.maybe(b"COUNT", c.small())
    return c.choice([
        lambda: [b"XADD", k, new()] + c.pairs(c.word, c.word), lambda: [b"XADD", k, new(), b"a", c.word(), b"b", c.word()],
        lambda: [b"XADD", k] + c.maybe(b"NOMKSTREAM") + c.maybe(*trim()) + [new(), b"a", c.word()],
        lambda: [b"XLEN", k], lambda: [b"XRANGE", k, bound(), bound()] + count(), lambda: [b"XREVRANGE", k, bound(), bound()] + count(),
        lambda: [b"XDEL", k, some(), some()], lambda: [b"XTRIM", k] + trim(),
        # Lower ones are refused since 7.2 where something was deleted.
        lambda: [b"XSETID", k, c.choice([b"11", b"x"])] + c.maybe(b"ENTRIESADDED", c.small()) + c.maybe(b"MAXDELETEDID", some()),
        lambda: [b"XREAD"] + count() + [b"STREAMS", k, c.key(), some(), c.choice([b"$", b"0", b"x"])],
        lambda: [b"XGROUP", b"CREATE", k, group(), c.choice([b"0", b"$", some()])] + c.maybe(b"MKSTREAM") + c.maybe(b"ENTRIESREAD", c.small()),
        lambda: [b"XGROUP", b"SETID", k, group(), c.choice([b"0", b"$", some()])], lambda: [b"XGROUP", b"DESTROY", k, group()],
        lambda: [b"XGROUP", b"CREATECONSUMER", k, group(), b"eve"], lambda: [b"XGROUP", b"DELCONSUMER", k, group(), who()],
        lambda: [b"XREADGROUP", b"GROUP", group(), who()] + count() + c.maybe(b"NOACK") + [b"STREAMS", k, c.choice([b">", b">", b"0", some()])],
        lambda: [b"XACK", k, group(), some(), some()], lambda: [b"XPENDING", k, group()],
        lambda: [b"XPENDING", k, group()] + c.maybe(b"IDLE", b"100000", share=0.1) + [bound(), bound(), c.small()] + c.maybe(who()),
        lambda: [b"XCLAIM", k, group(), who(), c.choice([b"0", b"0", b"100000", b"x"]), some(), some()] + c.maybe(b"FORCE") + c.maybe(b"JUSTID")
        + c.maybe(b"RETRYCOUNT", c.small()) + c.maybe(b"LASTID", some(), share=0.1),
        lambda: [b"XAUTOCLAIM", k, group(), who(), c.choice([b"0", b"0", b"100000"]), bound()] + count() + c.maybe(b"JUSTID"),
        lambda: [b"XINFO", b"STREAM", k], lambda: [b"XINFO", b"GROUPS", k],
    ])()


def generic(c):
    k = c.key()
    return c.choice([
        lambda: [b"DEL", k], lambda: [b"UNLINK", k, c.key()], lambda: [b"EXISTS", k, c.key()], lambda: [b"TYPE", k],
        lambda: [b"RENAME", k, c.key()], lambda: [b"RENAMENX", k, c.key()],
        lambda: [b"COPY", k, c.key()] + c.maybe(b"REPLACE", share=0.6),
        lambda: [b"EXPIRE", k, c.span()] + c.one_of([], [b"NX"], [b"XX"]),
        # Hardly ever the same twice: which of two is later must not hang on a millisecond.
        lambda: [b"EXPIRE", k, b"%d" % c.randint(2000, 90000), c.choice([b"GT", b"LT"])],
        lambda: [b"PERSIST", k], lambda: [b"TTL", k], lambda: [b"TOUCH", k], lambda: [b"OBJECT", b"ENCODING", k],
        lambda: [b"KEYS", c.choice(PATTERNS)], lambda: [b"DBSIZE"], lambda: [b"SCAN", b"0", b"COUNT", b"100000"],
        lambda: [b"MULTI"], lambda: [b"EXEC"], lambda: [b"DISCARD"],
    ])()


# Whose replies in a script come in an order of each server's own, or say what time it is.
NOT_IN_SCRIPTS = {b"KEYS", b"SMEMBERS", b"SINTER", b"SUNION", b"SDIFF", b"HKEYS", b"HVALS", b"HGETALL", b"SPOP", b"SRANDMEMBER",
                  b"HRANDFIELD", b"ZRANDMEMBER", b"SCAN", b"SSCAN", b"HSCAN", b"ZSCAN", b"TTL", b"PTTL", b"OBJECT", b"BITCOUNT",
                  b"BITPOS", b"MULTI", b"EXEC", b"DISCARD"}


def one_command(c):
    """A command of another family, for a script to call."""
    while True:
        words = c.choice([strings, bitmaps, hashes, lists, sets, zsets, generic])(c)
        if words[0] not in NOT_IN_SCRIPTS and len(words) > 1 and ONE_SCORE not in words:
            return words


def scripted(c, words, first):
    """redis.call of these words with KEYS[1] for the first of them, and ARGV from `first` on for the others."""
    arguments = "".join(", ARGV[%d]" % (first + i) for i in range(len(words) - 2))
    return "redis.%s('%s', KEYS[1]%s)" % (c.choice(["call", "call", "pcall"]), words[0].decode(), arguments)


def scripts(c):
    """Scripts of a line: those of one key are narrow, the others run alone."""
    words = one_command(c)
    head = c.choice(["", "", "redis.setresp(3) ", "for i = 1, 0 do end "])
    text, arguments = "return " + scripted(c, words, 1), words[2:]
    if c.random() < 0.3:
        more = one_command(c)
        text = "local a = %s local b = %s if a == b then return 1 end return {a, b, type(a)}" % (
            scripted(c, words, 1), scripted(c, more, 1 + len(arguments)))
        arguments = arguments + more[2:]
    elif c.random() < 0.3:
        text = "local held = redis.call('GET', KEYS[1]) if held ~= ARGV[1] then return held end " \
               "return {redis.call('DEL', KEYS[1]), redis.call('SET', KEYS[1], held .. #ARGV)}"
        arguments = [c.word()]
    return [b"EVAL", (head + text).encode(), b"1", words[1]] + arguments


def functions(c):
    """Libraries and their functions; names are few, so that they collide."""
    library, function = c.choice([b"one", b"two", b"ONE", b"no-name"]), c.choice([b"f", b"g", b"F", b"h"])

    def text():
        words = one_command(c)
        while words[0] in NEWER_WORD:  # FCALL's words follow it, and one of them would be that
            words = one_command(c)
        body = "return redis.call('%s', keys[1], unpack(args))" % words[0].decode()
        registered = c.choice(["redis.register_function('%s', function(keys, args) %s end)",
                               "redis.register_function{function_name='%s', callback=function(keys, args) %s end, flags={'no-writes'}}",
                               "redis.register_function{function_name='%s', callback=function(keys, args) %s end, description='x'}"])
        broken = c.choice([""] * 12 + [" x = 1", " nonsense", " error('x')"])
        return b"#!lua name=" + library + b"\n" + (registered % (function.decode(), body) + broken).encode()

    return c.choice([
        lambda: [b"FUNCTION", b"LOAD"] + c.maybe(b"REPLACE", share=0.6) + [text()],
        lambda: [b"FUNCTION", b"LOAD", b"REPLACE", text()],
        lambda: [c.choice([b"FCALL", b"FCALL", b"FCALL_RO"]), function, b"1", c.key()] + c.maybe(c.word()) + c.maybe(c.word()),
        lambda: [b"FCALL", function] + c.one_of([b"0"], [b"x"], [b"2", c.key()], [b"-1"]),
        lambda: [b"FUNCTION", b"DELETE", library], lambda: [b"FUNCTION", b"STATS"],
        lambda: [b"FUNCTION", b"LIST", b"LIBRARYNAME", c.choice([b"two", b"tw*", b"x"])] + c.maybe(b"WITHCODE"),
        lambda: [b"FUNCTION", b"FLUSH"] + c.maybe(b"ASYNC"),
    ])()


def tracking(c):
    """What a connection says of its client-side caching. In RESP2 it is told nothing."""
    options = [[b"BCAST"], [b"OPTIN"], [b"OPTOUT"], [b"NOLOOP"], [b"BCAST", b"PREFIX", c.choice([b"a", b"ab", b"b", b""])],
               [b"PREFIX", b"c"], [b"REDIRECT", c.choice([b"0", b"-1", b"x", b"999999999"])]]
    return c.choice([
        lambda: [b"CLIENT", b"TRACKING", b"ON"] + sum(c.choices(options, k=c.randint(0, 2)), []),
        lambda: [b"CLIENT", b"TRACKING", b"OFF"],
        lambda: [b"CLIENT", b"CACHING", c.choice([b"YES", b"NO"])],
        lambda: [b"CLIENT", b"TRACKINGINFO"], lambda: [b"CLIENT", b"GETREDIR"],
    ])()


def ill_formed(c, families):
    """A command of one of them, with a word too few, too many, or of another kind."""
    words = FAMILIES[c.choice(families)](c)
    if words[0] in (b"MULTI", b"EXEC", b"DISCARD", b"SPOP") or words[0].endswith((b"SCAN", b"RANDFIELD", b"RANDMEMBER")):
        return words  # what a cursor means, how far COUNT goes, and what is drawn, is each server's own
    if words[:2] == [b"FUNCTION", b"LIST"]:
        return words  # several libraries come in an order of each server's own
    if words[0] in NEWER_WORD or ONE_SCORE in words or b"REDIRECT" in words:
        return words  # names keep their score; another number may be a connection of one server
    act = c.randint(0, 2)
    if act == 0 and len(words) > 1:
        del words[c.randint(1, len(words) - 1)]
    elif act == 1:
        words.insert(c.randint(1, len(words)), c.word())
    elif len(words) > 1:
        words[c.randint(1, len(words) - 1)] = c.word()
    return words


FAMILIES = {
    "string": strings, "bitmap": bitmaps, "hash": hashes, "list": lists, "set": sets, "zset": zsets,
    "stream": streams, "generic": generic, "scripts": scripts, "functions": functions, "tracking": tracking,
}
