<?php
// phpredis (RESP2): what Laravel and Symfony connect with. It answers false where the server says
// an error, and keeps the words in getLastError().

declare(strict_types=1);

require __DIR__ . '/checks.php';

function connected(string $port = 'OPEN_PORT'): Redis
{
    $redis = new Redis();
    $redis->connect('127.0.0.1', (int) getenv($port), 30.0);
    return $redis;
}

function emptied(): Redis
{
    $redis = connected();
    $redis->flushAll();
    return $redis;
}

$password = (string) getenv('LOCKED_PASSWORD');
$everyByte = implode('', array_map('chr', range(0, 255)));

check('connects', function () {
    same(true, connected()->ping());
    same('hello', connected()->ping('hello'));
    same('hello', connected()->echo('hello'));
});

check('signs in with a password alone', function () use ($password) {
    $redis = connected('LOCKED_PORT');
    same(true, $redis->auth($password));
    same(true, $redis->ping());
});

check('signs in with a user and a password', function () use ($password) {
    $redis = connected('LOCKED_PORT');
    same(true, $redis->auth(['default', $password]));
    same(true, $redis->select(3));
    same(true, $redis->client('SETNAME', 'laravel'));
    same('laravel', $redis->client('GETNAME'));
});

check('is refused with a wrong password', function () use ($password) {
    foreach (['wrong', ['default', 'wrong'], ['nobody', $password]] as $wrong) {
        same(
            'WRONGPASS invalid username-password pair or user is disabled.',
            raised(fn () => connected('LOCKED_PORT')->auth($wrong)));
    }
});

check('is refused without a password', function () {
    same('NOAUTH Authentication required.', raised(fn () => connected('LOCKED_PORT')->get('k')));
});

check('keeps databases apart', function () {
    $redis = emptied();
    same(true, $redis->select(4));
    $redis->set('k', 'four');
    same(true, $redis->select(0));
    same(false, $redis->get('k'));
    same(false, $redis->select(16));
    // This phpredis keeps a NUL behind the words.
    same('ERR DB index is out of range', rtrim($redis->getLastError(), "\0"));
});

check('keeps a connection for the next request and chooses its database again', function () {
    foreach ([1, 2] as $request) {
        $redis = new Redis();
        same(true, $redis->pconnect('127.0.0.1', (int) getenv('OPEN_PORT'), 30.0, 'pool'));
        same(true, $redis->select($request));
        same(true, $redis->ping());
    }
});

check('sets, reads and counts', function () {
    $redis = emptied();
    same(true, $redis->set('k', 'v', ['nx', 'ex' => 100]));
    same(false, $redis->set('k', 'w', ['nx']));
    same('v', $redis->get('k'));
    same(true, $redis->setex('k', 100, 'w'));
    same(false, $redis->setnx('k', 'x'));
    same(['w', false], $redis->mGet(['k', 'none']));
    same(true, $redis->mSet(['a' => '1', 'b' => '2']));
    same(false, $redis->msetnx(['b' => '3', 'c' => '4']));
    same(42, $redis->incrBy('a', 41));
    same(42.5, $redis->incrByFloat('a', 0.5));
    same(1, $redis->decr('b'));
    same('1', $redis->getSet('b', 'text'));
    same(8, $redis->append('b', 'ures'));
    same('tures', $redis->getRange('b', 3, -1));
    same(2, $redis->exists('a', 'b', 'none'));
    same(3, $redis->unlink('a', 'b', 'k'));
});

check('runs ten thousand requests in a pipeline', function () {
    $redis = emptied();
    $pipe = $redis->multi(Redis::PIPELINE);
    for ($n = 0; $n < 10_000; $n++) {
        $pipe->set("k:$n", (string) $n)->get("k:$n");
    }
    $answers = $pipe->exec();
    same(20_000, count($answers));
    for ($n = 0; $n < 10_000; $n++) {
        same((string) $n, $answers[2 * $n + 1]);
    }
});

check('runs a transaction', function () {
    $redis = emptied();
    same([true, 2, '2'], $redis->multi()->set('k', '1')->incr('k')->get('k')->exec());
});

check('discards a transaction', function () {
    $redis = emptied();
    $redis->multi()->set('k', '1');
    same(true, $redis->discard());
    same(false, $redis->get('k'));
});

check('loses a transaction when a watched key changed', function () {
    $redis = emptied();
    same(true, $redis->watch('k'));
    connected()->set('k', 'changed');
    same(false, $redis->multi()->set('k', 'mine')->exec());
    same('changed', $redis->get('k'));
    $redis->watch('k');
    connected()->set('k', 'again');
    $redis->unwatch();
    same([true], $redis->multi()->set('k', 'mine')->exec());
});

check('runs the scripts of Laravel', function () {
    $redis = emptied();
    $add = "return redis.call('exists',KEYS[1])<1 and redis.call('setex',KEYS[1],ARGV[2],ARGV[1])";
    same(true, $redis->eval($add, ['cached', 'value', '100'], 1));
    same(false, $redis->eval($add, ['cached', 'other', '100'], 1));
    same('value', $redis->get('cached'));
    $release = "if redis.call('get',KEYS[1]) == ARGV[1] then "
        . "return redis.call('del',KEYS[1]) else return 0 end";
    same(0, $redis->eval($release, ['cached', 'somebody'], 1));
    same(1, $redis->eval($release, ['cached', 'value'], 1));
    $limit = "for i, v in pairs(redis.call('mget', unpack(KEYS))) do if not v then "
        . "redis.call('set', KEYS[i], ARGV[1], 'EX', ARGV[2]) return ARGV[3] .. i end end";
    same('slot1', $redis->eval($limit, ['s1', 's2', 'id', '100', 'slot'], 2));
    same('slot2', $redis->eval($limit, ['s1', 's2', 'id', '100', 'slot'], 2));
});

check('sends a script again when the server has lost it', function () {
    $redis = emptied();
    $source = "return {KEYS[1], ARGV[1], 3.7, false}";
    $redis->script('flush');
    $sha = sha1($source);
    same([0], $redis->script('exists', $sha));
    same(false, $redis->evalSha($sha, ['k', 'a'], 1));
    same('NOSCRIPT No matching script. Please use EVAL.', $redis->getLastError());
    same($sha, $redis->script('load', $source));
    same(['k', 'a', 3, false], $redis->evalSha($sha, ['k', 'a'], 1));
    same([1], $redis->script('exists', $sha));
});

check('finds cjson and cmsgpack in scripts', function () {
    $redis = emptied();
    $script = 'return cjson.encode({cmsgpack.unpack(cmsgpack.pack(ARGV[1], 2))})';
    same('["a",2]', $redis->eval($script, ['a'], 0));
});

check('walks over thousands of keys by pattern', function () {
    $redis = emptied();
    for ($start = 0; $start < 5_000; $start += 1_000) {
        $some = [];
        for ($n = $start; $n < $start + 1_000; $n++) {
            $some += ["user:$n" => '1', "other:$n" => '1'];
        }
        $redis->mSet($some);
    }
    $redis->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    $cursor = null;
    $seen = [];
    while (($keys = $redis->scan($cursor, 'user:*', 100)) !== false) {
        foreach ($keys as $key) {
            $seen[$key] = true;
        }
    }
    same(5_000, count($seen));
    same(10_000, $redis->dbSize());
    same(5_000, count($redis->keys('other:*')));
});

check('lets keys expire', function () {
    $redis = emptied();
    $redis->psetex('k', 40, 'v');
    becomesTrue(fn () => $redis->get('k') === false);
    same(-2, $redis->ttl('k'));
    $redis->set('k', 'v', 100);
    holds(in_array($redis->ttl('k'), [99, 100], true), 'the key has not the life it was given');
    same(true, $redis->persist('k'));
    same(-1, $redis->ttl('k'));
    same(true, $redis->expire('k', 50));
    same(true, $redis->pExpire('k', 60_000));
    same(true, $redis->expireAt('k', time() + 1_000));
    holds($redis->pttl('k') > 900_000, 'the key dies too soon');
});

check('keeps every byte of keys and values', function () use ($everyByte) {
    $redis = emptied();
    $redis->set($everyByte, $everyByte);
    same($everyByte, $redis->get($everyByte));
    same([$everyByte], $redis->keys('*'));
});

check('keeps serialised values', function () {
    $redis = emptied();
    $redis->setOption(Redis::OPT_SERIALIZER, Redis::SERIALIZER_PHP);
    $redis->setOption(Redis::OPT_PREFIX, 'app:');
    $redis->set('k', ['list' => [1, 2.5, null, true]]);
    same(['list' => [1, 2.5, null, true]], $redis->get('k'));
    same(1, connected()->exists('app:k'));
});

check('moves values of 1 MB and of 64 MB', function () use ($everyByte) {
    $redis = emptied();
    foreach ([1, 64] as $megabytes) {
        $value = str_repeat($everyByte, $megabytes << 12);
        same(true, $redis->set('large', $value));
        same(strlen($value), $redis->strlen('large'));
        holds($redis->get('large') === $value, 'the value came back changed');
    }
});

check('comes back after it was killed', function () {
    $redis = emptied();
    $victim = connected();
    $victim->select(2);
    $victim->set('k', 'before');
    $id = $victim->rawCommand('CLIENT', 'ID');
    same(1, $redis->rawCommand('CLIENT', 'KILL', 'ID', (string) $id));
    same('before', $victim->get('k'));
    holds($victim->rawCommand('CLIENT', 'ID') > $id, 'it is the same connection as before');
});

check('is told of errors in the words of Redis', function () {
    $redis = emptied();
    $redis->set('k', 'word');
    $wrong = [
        'ERR value is not an integer or out of range' => ['INCR', 'k'],
        "ERR unknown command 'NOPE', with args beginning with: 'a' " => ['NOPE', 'a'],
        "ERR wrong number of arguments for 'get' command" => ['GET'],
        "ERR invalid expire time in 'setex' command" => ['SETEX', 'k', '0', 'v'],
        'ERR offset is out of range' => ['SETRANGE', 'k', '-1', 'x'],
        'ERR syntax error' => ['SET', 'k', 'v', 'NX', 'XX'],
    ];
    foreach ($wrong as $said => $words) {
        same(false, $redis->rawCommand(...$words));
        same($said, $redis->getLastError());
        $redis->clearLastError();
    }
});

check('finds the fields of INFO that are decided by', function () {
    $fields = emptied()->info();
    $needed = ['redis_version', 'redis_mode', 'role', 'loading', 'maxmemory_policy',
        'connected_clients', 'keyspace_hits', 'keyspace_misses', 'used_memory_human',
        'cluster_enabled'];
    foreach ($needed as $name) {
        holds(isset($fields[$name]), "INFO has no $name");
    }
    holds(version_compare($fields['redis_version'], '7.0.0', '>='), 'the version is too old');
    holds(isset(connected()->info('memory')['maxmemory_policy']), 'the section has no policy');
});

check('lists clients and settings', function () {
    $redis = emptied();
    $redis->client('SETNAME', 'lister');
    $names = array_column($redis->client('LIST'), 'name');
    holds(in_array('lister', $names, true), 'the list misses the one who asks');
    same(['databases' => '16'], $redis->config('GET', 'databases'));
    same(true, $redis->config('SET', 'slowlog-max-len', '128'));
    holds(count($redis->time()) === 2, 'TIME has not two parts');
});
