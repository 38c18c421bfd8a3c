<?php
// Symfony Cache 5.4, plain and with tags, over the driver that $DRIVER names: phpredis or predis.
// How the sentences reach pytest is told in ../scripted.py.

declare(strict_types=1);

use Psr\Log\AbstractLogger;
use Symfony\Component\Cache\Adapter\RedisAdapter;
use Symfony\Component\Cache\Adapter\RedisTagAwareAdapter;
use Symfony\Component\Cache\Adapter\TagAwareAdapter;
use Symfony\Component\Cache\CacheItem;
use Symfony\Component\Cache\Marshaller\DefaultMarshaller;
use Symfony\Component\Cache\Marshaller\DeflateMarshaller;
use Symfony\Contracts\Cache\ItemInterface;

// Debian's Predis is older than PHP's newest wishes for return types.
error_reporting(E_ALL & ~E_DEPRECATED);
require_once '/usr/share/php/Predis/Autoloader.php';
Predis\Autoloader::register();
require_once '/usr/share/php/Symfony/Component/Cache/autoload.php';
require_once __DIR__ . '/../php/checks.php';

// Symfony logs what the server complains of and goes on: here nothing may be logged.
final class Complaints extends AbstractLogger
{
    public array $heard = [];

    public function log($level, $message, array $context = []): void
    {
        $this->heard[] = strtr((string) $message, array_map(
            fn ($it) => is_scalar($it) ? (string) $it : get_debug_type($it),
            array_combine(array_map(fn ($k) => '{' . $k . '}', array_keys($context)), $context),
        ));
    }
}

function dsn(string $port = 'OPEN_PORT', string $signedIn = ''): string
{
    return 'redis://' . $signedIn . '127.0.0.1:' . getenv($port) . '/3';
}

function connected(): Redis|Predis\ClientInterface
{
    $class = getenv('DRIVER') === 'predis' ? Predis\Client::class : Redis::class;
    return RedisAdapter::createConnection(dsn(), ['class' => $class, 'timeout' => 30]);
}

function server(): Redis
{
    static $server = null;
    if ($server === null) {
        $server = new Redis();
        $server->connect('127.0.0.1', (int) getenv('OPEN_PORT'), 30);
        $server->select(3);
    }
    return $server;
}

function keys(): array
{
    $keys = server()->keys('*');
    sort($keys);
    return $keys;
}

// Says a sentence of a pool over an empty server, on whose work nothing may have been logged.
function pooled(callable $pool, callable $proof): callable
{
    return function () use ($pool, $proof) {
        server()->flushAll();
        $complaints = new Complaints();
        $made = $pool();
        $made->setLogger($complaints);
        $proof($made);
        same([], $complaints->heard);
    };
}

$plain = fn (callable $proof) => pooled(fn () => new RedisAdapter(connected(), 'shop', 600), $proof);
$tagged = fn (callable $proof) => pooled(
    fn () => new RedisTagAwareAdapter(connected(), 'shop', 600),
    $proof,
);

function save($pool, string $key, mixed $value, array $tags = [], ?int $seconds = null): void
{
    $item = $pool->getItem($key)->set($value)->expiresAfter($seconds);
    same(true, $pool->save($tags ? $item->tag($tags) : $item));
}

server()->config('SET', 'maxmemory-policy', 'noeviction');

// Plain ------------------------------------------------------------------------------------------

check('keeps and finds any value', $plain(function ($pool) {
    $book = (object) ['title' => 'Emma', 'of' => new DateTimeImmutable('1815-12-23')];
    foreach (['text', "\x00\xff", 42, -1.5, true, null, [1, ['é' => 2]], $book] as $n => $value) {
        save($pool, "k$n", $value);
        $found = $pool->getItem("k$n");
        same([true, serialize($value)], [$found->isHit(), serialize($found->get())]);
    }
    same([false, null], [$pool->getItem('none')->isHit(), $pool->getItem('none')->get()]);
    same([true, false], [$pool->hasItem('k0'), $pool->hasItem('none')]);
}));

check('makes a value once', $plain(function ($pool) {
    $made = 0;
    $make = function (ItemInterface $item) use (&$made) {
        $item->expiresAfter(60);
        return 'made ' . ++$made;
    };
    same(['made 1', 'made 1'], [$pool->get('k', $make), $pool->get('k', $make)]);
    same('made 2', $pool->get('k', $make, INF));
    same(true, $pool->delete('k'));
    same('made 3', $pool->get('k', $make));
    $life = server()->ttl(keys()[0]);
    holds($life > 0 && $life <= 60, "a life of $life");
}));

check('saves many at once, later', $plain(function ($pool) {
    foreach (range(1, 200) as $n) {
        $pool->saveDeferred($pool->getItem("k$n")->set($n)->expiresAfter($n % 2 ? 60 : null));
    }
    same(0, server()->dbSize());
    same(true, $pool->commit());
    same(200, server()->dbSize());
    $names = array_map(fn ($n) => "k$n", range(1, 201));
    $found = array_filter(iterator_to_array($pool->getItems($names)), fn ($item) => $item->isHit());
    same(range(1, 200), array_values(array_map(fn ($item) => $item->get(), $found)));
}));

check('lets items expire', $plain(function ($pool) {
    save($pool, 'short', 1, [], 1);
    save($pool, 'default', 1);
    same(true, $pool->hasItem('short'));
    becomesTrue(fn () => !$pool->hasItem('short'));
    $life = server()->ttl(keys()[0]);
    holds($life > 590 && $life <= 600, "a life of $life");
}));

check('deletes one, many and a namespace of thousands', $plain(function ($pool) {
    server()->set('others', 'kept');
    foreach (range(1, 3_000) as $n) {
        $pool->saveDeferred($pool->getItem("k$n")->set($n));
    }
    $pool->commit();
    same(true, $pool->deleteItem('k1'));
    same(true, $pool->deleteItems(['k2', 'k3', 'none']));
    same(2_998, server()->dbSize());
    same(true, $pool->clear('k4'));
    same(false, $pool->hasItem('k42'));
    same(true, $pool->hasItem('k5'));
    same(true, $pool->clear());
    same(['others'], keys());
}));

check('clears all when it has no namespace', pooled(
    fn () => new RedisAdapter(connected()),
    function ($pool) {
        save($pool, 'k', 1);
        server()->set('others', 'gone');
        same(true, $pool->clear());
        same(0, server()->dbSize());
    },
));

check('compresses', pooled(
    fn () => new RedisAdapter(connected(), 'shop', 0, new DeflateMarshaller(new DefaultMarshaller())),
    function ($pool) {
        save($pool, 'k', str_repeat('x', 50_000));
        same(str_repeat('x', 50_000), $pool->getItem('k')->get());
        holds(server()->strlen(keys()[0]) < 1_000, 'it is short');
        same(-1, server()->ttl(keys()[0]));
    },
));

check('is refused without a password, and goes on with one', function () {
    $class = getenv('DRIVER') === 'predis' ? Predis\Client::class : Redis::class;
    $locked = fn (string $signedIn) => new RedisAdapter(
        RedisAdapter::createConnection(dsn('LOCKED_PORT', $signedIn), ['class' => $class]),
    );
    $known = $locked(rawurlencode(getenv('LOCKED_PASSWORD')) . '@');
    save($known, 'k', 'v');
    same('v', $known->getItem('k')->get());
    // phpredis says it at once, Predis when the pool asks, and the pool only logs it.
    $complaints = new Complaints();
    try {
        $stranger = $locked('');
        $stranger->setLogger($complaints);
        same(false, $stranger->hasItem('k'));
    } catch (Throwable $error) {
        $complaints->error($error->getMessage());
    }
    holds(str_contains($complaints->heard[0], 'NOAUTH'), implode($complaints->heard));
});

// With tags --------------------------------------------------------------------------------------

check('keeps items with their tags', $tagged(function ($pool) {
    save($pool, 'emma', 'Emma', ['books', 'austen'], 60);
    save($pool, 'untagged', 1);
    $found = $pool->getItem('emma');
    same(['Emma', ['austen', 'books']], [$found->get(), sortedKeys($found->getMetadata()['tags'])]);
    same(['shop:emma'], server()->sMembers("shop:\0tags\0books"));
}));

check('forgets all items of a tag', $tagged(function ($pool) {
    save($pool, 'emma', 1, ['books', 'austen']);
    save($pool, 'persuasion', 1, ['books', 'austen']);
    save($pool, 'ulysses', 1, ['books', 'joyce']);
    save($pool, 'other', 1);
    $there = fn () => array_values(array_filter(
        ['emma', 'persuasion', 'ulysses', 'other'],
        fn ($key) => $pool->hasItem($key),
    ));
    same(true, $pool->invalidateTags(['austen']));
    same(['ulysses', 'other'], $there());
    same(true, $pool->invalidateTags(['never', 'books']));
    same(['other'], $there());
    same(["shop:\0tags\0joyce"], server()->keys('*tags*'));
}));

check('forgets thousands of items of a tag', $tagged(function ($pool) {
    foreach (range(1, 6_000) as $n) {
        $tags = ['all', $n % 2 ? 'odd' : 'even'];
        $pool->saveDeferred($pool->getItem("k$n")->set($n)->tag($tags));
    }
    same(true, $pool->commit());
    same(6_003, server()->dbSize());
    same(true, $pool->invalidateTags(['odd']));
    same([false, true], [$pool->hasItem('k4999'), $pool->hasItem('k5000')]);
    same(true, $pool->invalidateTags(['all']));
    same(1, server()->dbSize());
}));

check('moves an item from tag to tag', $tagged(function ($pool) {
    save($pool, 'k', 1, ['old', 'both']);
    save($pool, 'k', 2, ['both', 'new']);
    same(true, $pool->invalidateTags(['old']));
    same(2, $pool->getItem('k')->get());
    same(true, $pool->invalidateTags(['new']));
    same(false, $pool->hasItem('k'));
}));

check('takes a deleted item off its tags', $tagged(function ($pool) {
    save($pool, 'a', 1, ['t']);
    save($pool, 'b', 1, ['t']);
    same(true, $pool->deleteItem('a'));
    same(1, server()->sCard(server()->keys('*tags*')[0]));
    same(true, $pool->deleteItems(['b', 'none']));
    same([], keys());
}));

check('makes a tagged value once', $tagged(function ($pool) {
    $made = 0;
    $make = function (ItemInterface $item) use (&$made) {
        $item->tag(['page']);
        return ++$made;
    };
    same([1, 1], [$pool->get('k', $make), $pool->get('k', $make)]);
    $pool->invalidateTags(['page']);
    same(2, $pool->get('k', $make));
}));

check('clears tags with the namespace', $tagged(function ($pool) {
    server()->set('others', 'kept');
    save($pool, 'a', 1, ['t', 'u']);
    same(true, $pool->clear());
    same(['others'], keys());
}));

check('refuses a server that may evict tags', function () {
    server()->config('SET', 'maxmemory-policy', 'allkeys-lru');
    $complaints = new Complaints();
    $pool = new RedisTagAwareAdapter(connected(), 'shop');
    $pool->setLogger($complaints);
    same(false, $pool->save($pool->getItem('k')->set(1)->tag(['t'])));
    holds(str_contains($complaints->heard[0], '"allkeys-lru"'), implode($complaints->heard));
    server()->config('SET', 'maxmemory-policy', 'volatile-lru');
});

check('accepts a server that evicts only what expires', $tagged(function ($pool) {
    save($pool, 'k', 1, ['t']);
    same(true, $pool->invalidateTags(['t']));
    same(false, $pool->hasItem('k'));
}));

check('keeps tags by their versions in a plain pool', pooled(
    fn () => new TagAwareAdapter(new RedisAdapter(connected(), 'shop')),
    function ($pool) {
        save($pool, 'k', 1, ['t']);
        same(true, $pool->hasItem('k'));
        same(true, $pool->invalidateTags(['t']));
        same(false, $pool->hasItem('k'));
    },
));

function sortedKeys(array $tags): array
{
    ksort($tags);
    return array_keys($tags);
}
