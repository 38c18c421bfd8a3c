// What stands on the two libraries: sessions of Express (connect-redis), limits
// (rate-limiter-flexible), locks (redlock), caches (Keyv, cache-manager) and rooms (Socket.IO).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import KeyvRedis from '@keyv/redis';
import { createAdapter } from '@socket.io/redis-adapter';
import { createCache } from 'cache-manager';
import { RedisStore } from 'connect-redis';
import session from 'express-session';
import Redis from 'ioredis';
import { Keyv } from 'keyv';
import {
  BurstyRateLimiter, RateLimiterMemory, RateLimiterQueue, RateLimiterRedis, RateLimiterRes,
} from 'rate-limiter-flexible';
import { createClient } from 'redis';
import Redlock from 'redlock';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { becomesTrue, check, open, withClient } from './checks.mjs';

const url = `redis://${open.host}:${open.port}`;

const usingIoredis = withClient(
  async () => new Redis({ ...open, retryStrategy: () => 50 }),
  (client) => client.disconnect(),
);
const usingNodeRedis = withClient(
  async () => createClient({ url }).on('error', () => {}).connect(),
  (client) => client.destroy(),
);
const onEmptyIoredis = (program) => () =>
  usingIoredis(open, async (redis) => {
    await redis.flushall();
    await program(redis);
  });
const onEmptyNodeRedis = (program) => () =>
  usingNodeRedis(open, async (redis) => {
    await redis.flushAll();
    await program(redis);
  });

// connect-redis ----------------------------------------------------------------------------------

// A shop whose visitors have a basket in their session; `visit` keeps the visitor's cookie.
async function withShop(store, cookie, program) {
  const sessions = session({
    store, secret: 'tea', resave: false, saveUninitialized: false, cookie: { maxAge: cookie },
  });
  const shop = http.createServer((request, response) => {
    sessions(request, response, () => {
      const done = (said) => response.end(JSON.stringify(said));
      if (request.url === '/leave') return request.session.destroy(() => done('left'));
      if (request.url === '/sign-in') return request.session.regenerate(() => done('signed in'));
      const article = request.url.slice(1);
      if (article) request.session.basket = [...(request.session.basket ?? []), article];
      return done(request.session.basket ?? []);
    });
  }).listen(0, open.host);
  await once(shop, 'listening');
  const visitor = () => {
    let kept;
    return async (path) => {
      const asked = `http://${open.host}:${shop.address().port}${path}`;
      const answer = await fetch(asked, { headers: kept ? { cookie: kept } : {} });
      kept = answer.headers.get('set-cookie')?.split(';')[0] ?? kept;
      return answer.json();
    };
  };
  try {
    await program(visitor);
  } finally {
    shop.closeAllConnections();
    shop.close();
  }
}

await check('keeps a basket from visit to visit', onEmptyNodeRedis(async (redis) => {
  const store = new RedisStore({ client: redis, prefix: 'shop:' });
  await withShop(store, 600_000, async (visitor) => {
    const [ada, bob] = [visitor(), visitor()];
    assert.deepEqual(await ada('/tea'), ['tea']);
    assert.deepEqual(await ada('/cake'), ['tea', 'cake']);
    assert.deepEqual(await bob('/'), []);
    assert.deepEqual(await ada('/'), ['tea', 'cake']);
    const [key, ...others] = await redis.keys('*');
    assert.deepEqual([key.slice(0, 5), others], ['shop:', []]);
    assert.ok((await redis.ttl(key)) > 590);
  });
}));

await check('renews the life of a session that is used', onEmptyNodeRedis(async (redis) => {
  const store = new RedisStore({ client: redis });
  await withShop(store, 600_000, async (visitor) => {
    const ada = visitor();
    await ada('/tea');
    const [key] = await redis.keys('sess:*');
    await redis.expire(key, 10);
    assert.deepEqual(await ada('/'), ['tea']);
    assert.ok((await redis.ttl(key)) > 590);
  });
}));

await check('forgets a session that is left or expired', onEmptyNodeRedis(async (redis) => {
  const store = new RedisStore({ client: redis });
  await withShop(store, 600_000, async (visitor) => {
    const ada = visitor();
    await ada('/tea');
    assert.equal(await ada('/leave'), 'left');
    assert.deepEqual(await ada('/'), []);
    assert.equal(await redis.dbSize(), 0);
    const bob = visitor();
    await bob('/cake');
    const [key] = await redis.keys('sess:*');
    await redis.pExpire(key, 1);
    await becomesTrue(async () => (await redis.exists(key)) === 0);
    assert.deepEqual(await bob('/'), []);
  });
}));

await check('counts, lists and clears hundreds of sessions', onEmptyNodeRedis(async (redis) => {
  const store = new RedisStore({ client: redis, scanCount: 50 });
  await redis.set('other', 'kept');
  const ids = Array.from({ length: 300 }, (_, n) => `visitor-${n}`);
  await Promise.all(ids.map((id) => store.set(id, { cookie: {}, id })));
  assert.equal(await store.length(), 300);
  assert.deepEqual((await store.ids()).sort(), [...ids].sort());
  assert.deepEqual((await store.all()).map(({ id }) => id).sort(), [...ids].sort());
  await store.clear();
  assert.deepEqual(await redis.keys('*'), ['other']);
}));

// rate-limiter-flexible --------------------------------------------------------------------------

const refused = (limited) => limited.then(
  () => assert.fail('it was allowed'),
  (limit) => {
    assert.ok(limit instanceof RateLimiterRes, String(limit.stack ?? limit));
    return limit;
  },
);

const allowsItsPoints = (makeLimiter) => async (redis) => {
  const limiter = makeLimiter(redis, { points: 5, duration: 60, keyPrefix: 'login' });
  for (let left = 4; left >= 0; left -= 1) {
    assert.equal((await limiter.consume('ada')).remainingPoints, left);
  }
  const limit = await refused(limiter.consume('ada'));
  assert.deepEqual([limit.consumedPoints, limit.remainingPoints], [6, 0]);
  assert.ok(limit.msBeforeNext > 50_000 && limit.msBeforeNext <= 60_000);
  assert.equal((await limiter.consume('bob', 3)).remainingPoints, 2);
  await limiter.penalty('bob', 1);
  assert.equal((await limiter.reward('bob', 2)).consumedPoints, 2);
  assert.equal((await limiter.get('bob')).consumedPoints, 2);
  assert.equal(await limiter.get('nobody'), null);
  assert.equal(await limiter.delete('ada'), true);
  assert.equal((await limiter.consume('ada')).remainingPoints, 4);
};
const onIoredis = (redis, limits) => new RateLimiterRedis({ storeClient: redis, ...limits });
const onNodeRedis = (redis, limits) =>
  new RateLimiterRedis({ storeClient: redis, useRedisPackage: true, ...limits });

await check('allows as many as it should over ioredis', onEmptyIoredis(allowsItsPoints(onIoredis)));
await check('allows as many as it should over node-redis',
  onEmptyNodeRedis(allowsItsPoints(onNodeRedis)));

await check('lets nobody through twice at once', onEmptyIoredis(async (redis) => {
  const limiter = onIoredis(redis, { points: 50, duration: 60 });
  const asked = await Promise.allSettled(Array.from({ length: 200 }, () => limiter.consume('k')));
  assert.equal(asked.filter(({ status }) => status === 'fulfilled').length, 50);
}));

await check('opens again when the time is over', onEmptyIoredis(async (redis) => {
  const limiter = onIoredis(redis, { points: 1, duration: 1 });
  await limiter.consume('k');
  await refused(limiter.consume('k'));
  await becomesTrue(() => limiter.consume('k').then(() => true, () => false));
}));

await check('blocks, by hand and whoever went too far', onEmptyIoredis(async (redis) => {
  const limiter = onIoredis(redis, { points: 1, duration: 1, blockDuration: 300 });
  await limiter.consume('greedy');
  assert.ok((await refused(limiter.consume('greedy'))).msBeforeNext > 290_000);
  await limiter.block('known', 100);
  assert.ok((await refused(limiter.consume('known'))).msBeforeNext > 90_000);
  await limiter.set('generous', 0, 100);
  assert.equal((await limiter.consume('generous')).consumedPoints, 1);
}));

await check('allows bursts, and makes a queue of the rest', onEmptyIoredis(async (redis) => {
  const bursty = new BurstyRateLimiter(
    onIoredis(redis, { points: 1, duration: 60, keyPrefix: 'steady' }),
    onIoredis(redis, { points: 2, duration: 60, keyPrefix: 'burst' }),
  );
  for (let n = 0; n < 3; n += 1) await bursty.consume('k');
  await refused(bursty.consume('k'));
  const queue = new RateLimiterQueue(onIoredis(redis, { points: 2, duration: 1 }));
  await Promise.all(Array.from({ length: 5 }, () => queue.removeTokens(1)));
}));

await check('stands in with its own memory when the server is away', async () => {
  const away = new Redis({ host: open.host, port: 1, lazyConnect: true, retryStrategy: null });
  away.on('error', () => {});
  const insuranceLimiter = new RateLimiterMemory({ points: 2, duration: 60 });
  const limiter = onIoredis(away, { points: 5, duration: 60, insuranceLimiter });
  assert.equal((await limiter.consume('k')).remainingPoints, 1);
  away.disconnect();
});

// redlock ----------------------------------------------------------------------------------------

const locks = (redis, settings) => {
  const made = new Redlock([redis], { retryDelay: 10, retryJitter: 5, ...settings });
  made.on('clientError', () => {});
  return made;
};

await check('locks, extends and gives back', onEmptyIoredis(async (redis) => {
  const redlock = locks(redis, { retryCount: 0 });
  const lock = await redlock.lock('stock', 60_000);
  assert.equal(await redis.get('stock'), lock.value);
  await assert.rejects(redlock.lock('stock', 1_000), { name: 'LockError' });
  await lock.extend(300_000);
  assert.ok((await redis.pttl('stock')) > 290_000);
  await lock.unlock();
  assert.equal(await redis.exists('stock'), 0);
  await assert.rejects(lock.unlock(), { name: 'LockError' });
}));

await check('locks several things or none', onEmptyIoredis(async (redis) => {
  const redlock = locks(redis, { retryCount: 0 });
  const lock = await redlock.lock(['a', 'b'], 60_000);
  await assert.rejects(redlock.lock(['b', 'c'], 60_000), { name: 'LockError' });
  assert.equal(await redis.exists('c'), 0);
  await lock.unlock();
  assert.equal(await redis.dbsize(), 0);
}));

await check('never gives back what another holds', onEmptyIoredis(async (redis) => {
  const redlock = locks(redis, { retryCount: 0 });
  const late = await redlock.lock('stock', 1_000);
  await redis.set('stock', 'another');
  await assert.rejects(late.unlock(), { name: 'LockError' });
  await assert.rejects(late.extend(1_000), { name: 'LockError' });
  assert.equal(await redis.get('stock'), 'another');
}));

await check('lets one in after the other, forgotten scripts or not', onEmptyIoredis(async (redis) => {
  const redlock = locks(redis, { retryCount: -1 });
  let [inside, most, turns] = [0, 0, 0];
  await Promise.all(Array.from({ length: 20 }, async () => {
    const lock = await redlock.lock('stock', 30_000);
    inside += 1;
    most = Math.max(most, inside);
    if (turns === 10) await redis.script('FLUSH');
    await redis.ping();
    turns += 1;
    inside -= 1;
    await lock.unlock();
  }));
  assert.deepEqual([most, turns], [1, 20]);
}));

await check('takes a lock whose holder is gone', onEmptyIoredis(async (redis) => {
  const redlock = locks(redis, { retryCount: -1 });
  await redlock.lock('stock', 100);
  const lock = await redlock.lock('stock', 10_000);
  assert.equal(await redis.get('stock'), lock.value);
}));

// Keyv and cache-manager -------------------------------------------------------------------------

const kept = (settings) => new Keyv({
  store: new KeyvRedis(url, settings), namespace: settings?.namespace, useKeyPrefix: false,
});

async function withKeyv(settings, program) {
  const keyv = kept(settings);
  keyv.on('error', (problem) => assert.fail(problem));
  try {
    await program(keyv);
  } finally {
    await keyv.disconnect();
  }
}

await check('keeps values in Keyv, with and without an end', onEmptyNodeRedis((redis) =>
  withKeyv({ namespace: 'shop' }, async (keyv) => {
    await keyv.set('k', { tea: [1, 'é'], none: null });
    assert.deepEqual(await keyv.get('k'), { tea: [1, 'é'], none: null });
    await keyv.set('k', 'v', 60_000);
    assert.ok((await redis.pTTL('shop::k')) > 50_000);
    assert.deepEqual([await keyv.has('k'), await keyv.has('none')], [true, false]);
    await keyv.set('short', 'v', 30);
    await becomesTrue(async () => (await keyv.get('short')) === undefined);
    assert.deepEqual([await keyv.delete('k'), await keyv.delete('k')], [true, false]);
    assert.equal(await redis.dbSize(), 0);
  })));

await check('keeps many values at once in Keyv', onEmptyNodeRedis(() =>
  withKeyv({ namespace: 'shop' }, async (keyv) => {
    await keyv.setMany([{ key: 'a', value: 1 }, { key: 'b', value: 'x', ttl: 60_000 }]);
    assert.deepEqual(await keyv.getMany(['a', 'none', 'b']), [1, undefined, 'x']);
    assert.equal(await keyv.deleteMany(['a', 'b']), true);
    assert.deepEqual(await keyv.getMany(['a', 'b']), [undefined, undefined]);
  })));

await check('walks over and clears a namespace of thousands in Keyv', onEmptyNodeRedis((redis) =>
  withKeyv({ namespace: 'shop' }, async (keyv) => {
    await redis.set('other::k', 'kept');
    const entries = Array.from({ length: 3_000 }, (_, n) => ({ key: `k${n}`, value: n }));
    await keyv.setMany(entries);
    let sum = 0;
    for await (const [, value] of keyv.iterator()) sum += value;
    assert.equal(sum, (3_000 * 2_999) / 2);
    await keyv.clear();
    assert.deepEqual(await redis.keys('*'), ['other::k']);
  })));

async function withCache(settings, program) {
  const store = kept({ namespace: 'cache' });
  try {
    await program(createCache({ stores: [store], ...settings }), store);
  } finally {
    await store.disconnect();
  }
}

await check('makes a value once, for all who ask for it at once', onEmptyNodeRedis(() =>
  withCache({ ttl: 60_000 }, async (cache) => {
    let made = 0;
    const make = async () => {
      made += 1;
      return { made };
    };
    const asked = await Promise.all(Array.from({ length: 20 }, () => cache.wrap('k', make)));
    assert.deepEqual(asked, Array(20).fill({ made: 1 }));
    assert.deepEqual(await cache.wrap('k', make), { made: 1 });
    await cache.del('k');
    assert.deepEqual(await cache.wrap('k', make), { made: 2 });
  })));

await check('renews a value in good time, behind the back of who asks', onEmptyNodeRedis((redis) =>
  withCache({ ttl: 60_000, refreshThreshold: 30_000 }, async (cache) => {
    await cache.set('k', 'old', 20_000);
    assert.equal(await cache.wrap('k', async () => 'new'), 'old');
    await becomesTrue(async () => (await cache.get('k')) === 'new');
    assert.ok((await redis.pTTL('cache::k')) > 50_000);
  })));

await check('writes, reads, deletes and clears through cache-manager', onEmptyNodeRedis((redis) =>
  withCache({}, async (cache) => {
    await cache.mset([{ key: 'a', value: 1 }, { key: 'b', value: [2], ttl: 60_000 }]);
    assert.deepEqual(await cache.mget(['a', 'b', 'none']), [1, [2], undefined]);
    assert.ok((await cache.ttl('b')) > Date.now() + 50_000);
    await cache.mdel(['a']);
    assert.equal(await cache.get('a'), undefined);
    await cache.clear();
    assert.equal(await redis.dbSize(), 0);
  })));

// Socket.IO --------------------------------------------------------------------------------------

// Two servers of one site, which know of each other only through the adapter.
async function withSite(program) {
  const site = await Promise.all(['north', 'south'].map(async (name) => {
    const [publisher, subscriber] = [new Redis(open), new Redis(open)];
    const listening = http.createServer().listen(0, open.host);
    await once(listening, 'listening');
    const server = new Server(listening, { adapter: createAdapter(publisher, subscriber) });
    server.on('connection', (socket) => {
      socket.on('join', async (room, joined) => joined(await socket.join(room)));
      socket.on('say', (room, words) => socket.to(room).emit('said', words));
    });
    return { name, server, connections: [publisher, subscriber], port: listening.address().port };
  }));
  const visitors = [];
  const visit = async ({ port }, room) => {
    const socket = io(`http://${open.host}:${port}`, { transports: ['websocket'], forceNew: true });
    visitors.push(socket);
    await once(socket, 'connect');
    const heard = [];
    socket.on('said', (words) => heard.push(words));
    if (room) await socket.emitWithAck('join', room);
    return Object.assign(socket, { heard });
  };
  try {
    // Each has to know of the other before anything is said: the adapter asks PUBSUB NUMSUB.
    await Promise.all(site.map(({ server }) =>
      becomesTrue(async () => (await server.of('/').adapter.serverCount()) === 2)));
    await program(site, visit);
  } finally {
    visitors.forEach((socket) => socket.disconnect());
    await Promise.all(site.map(({ server }) => server.close()));
    site.forEach(({ connections }) => connections.forEach((each) => each.disconnect()));
  }
}

await check('carries words from server to server, to their room only', () =>
  withSite(async ([north, south], visit) => {
    const [ada, bob] = [await visit(north, 'tea'), await visit(south, 'tea')];
    const cleo = await visit(south, 'cake');
    ada.emit('say', 'tea', 'hello');
    await becomesTrue(() => bob.heard.length === 1);
    north.server.emit('said', { all: Buffer.from([0, 255]) });
    await becomesTrue(() => [ada, bob, cleo].every(({ heard }) => heard.at(-1)?.all));
    assert.deepEqual([ada, bob, cleo].map(({ heard }) => heard.length), [1, 2, 1]);
    assert.deepEqual([...bob.heard[1].all], [0, 255]);
  }));

await check('keeps the order of what is said', () =>
  withSite(async ([north, south], visit) => {
    const ada = await visit(south, 'tea');
    for (let n = 0; n < 500; n += 1) north.server.to('tea').emit('said', n);
    await becomesTrue(() => ada.heard.length === 500);
    assert.deepEqual(ada.heard, Array.from({ length: 500 }, (_, n) => n));
  }));

await check('knows and moves the visitors of all servers', () =>
  withSite(async ([north, south], visit) => {
    const [ada, bob] = [await visit(north, 'tea'), await visit(south, 'tea')];
    const found = await north.server.in('tea').fetchSockets();
    assert.deepEqual(found.map(({ id }) => id).sort(), [ada.id, bob.id].sort());
    assert.deepEqual(await north.server.of('/').adapter.allRooms(),
      new Set(['tea', ada.id, bob.id]));
    north.server.in(bob.id).socketsJoin('cake');
    await becomesTrue(async () => (await north.server.in('cake').fetchSockets()).length === 1);
    north.server.in('cake').disconnectSockets();
    await once(bob, 'disconnect');
    assert.equal((await north.server.fetchSockets()).length, 1);
  }));

await check('asks the other servers, and waits for their answers', () =>
  withSite(async ([north, south], visit) => {
    south.server.on('count', (add, answer) => answer(40 + add));
    assert.deepEqual(await north.server.serverSideEmitWithAck('count', 2), [42]);
    const ada = await visit(south);
    ada.on('question', (answer) => answer('yes'));
    assert.deepEqual(await north.server.timeout(30_000).emitWithAck('question'), ['yes']);
  }));

// Socket.IO keeps a timer for the answers that may still come.
process.exit();
