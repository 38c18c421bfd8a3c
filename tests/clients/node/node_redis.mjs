// node-redis 5, in RESP2 and in RESP3.

import assert from 'node:assert/strict';
import { createClient, createClientPool, defineScript, RESP_TYPES } from 'redis';
import {
  becomesTrue, check, everyByte, infoFields, locked, neededFields, open, password, withClient,
} from './checks.mjs';

async function connect({ host, port, socket, ...settings }) {
  const client = createClient({
    ...settings,
    socket: { host, port, reconnectStrategy: (retries) => Math.min(retries * 10, 200), ...socket },
  });
  client.on('error', () => {});
  return client.connect();
}

const using = withClient(connect, (client) => client.destroy());
const onEmpty = (program, settings = {}) => () =>
  using({ ...open, ...settings }, async (redis) => {
    await redis.flushAll();
    await program(redis);
  });
const failing = (settings) =>
  using({ ...settings, socket: { reconnectStrategy: false } }, (redis) => redis.get('k'));

await check('connects in RESP2', () =>
  using({ ...open, RESP: 2 }, async (redis) => assert.equal(await redis.ping(), 'PONG')));

await check('connects in RESP3', () =>
  using({ ...open, RESP: 3 }, async (redis) => {
    assert.equal(await redis.ping(), 'PONG');
    assert.match(await redis.sendCommand(['CLIENT', 'INFO']), / resp=3/);
  }));

const inResp2 = { ...locked, password, RESP: 2 };
const inResp3 = { ...locked, password, RESP: 3 };

const signsIn = (settings) => () =>
  using(settings, async (redis) => assert.equal(await redis.ping(), 'PONG'));

const introducesItself = (settings) => () =>
  using({ ...settings, username: 'default', name: 'worker', database: 3 }, async (redis) => {
    assert.equal(await redis.clientGetName(), 'worker');
    assert.equal((await redis.clientInfo()).db, 3);
  });

const isRefused = (settings) => () =>
  assert.rejects(failing({ ...settings, username: 'default', password: 'wrong' }), /WRONGPASS/);

await check('signs in with a password alone in RESP2', signsIn(inResp2));
await check('signs in with a password alone in RESP3', signsIn(inResp3));
await check('signs in with a user, a name and a database in RESP2', introducesItself(inResp2));
await check('signs in with a user, a name and a database in RESP3', introducesItself(inResp3));
await check('is refused with a wrong password in RESP2', isRefused(inResp2));
await check('is refused with a wrong password in RESP3', isRefused(inResp3));

await check('is refused without a password', async () => {
  await assert.rejects(failing(locked), /NOAUTH/);
});

await check('sets, reads and counts', onEmpty(async (redis) => {
  assert.equal(await redis.set('k', 'v', { EX: 100, NX: true }), 'OK');
  assert.equal(await redis.set('k', 'w', { NX: true }), null);
  assert.equal(await redis.get('k'), 'v');
  assert.equal(await redis.set('k', 'w', { KEEPTTL: true, GET: true }), 'v');
  assert.deepEqual(await redis.mGet(['k', 'none']), ['w', null]);
  assert.equal(await redis.mSet({ a: '1', b: '2' }), 'OK');
  assert.equal(await redis.incrBy('a', 41), 42);
  assert.equal(await redis.incrByFloat('a', 0.5), '42.5');
  assert.equal(await redis.exists(['a', 'b', 'none']), 2);
  assert.equal(await redis.copy('a', 'c'), 1);
  assert.equal(await redis.rename('c', 'd'), 'OK');
  assert.equal(await redis.del(['a', 'b', 'd', 'k']), 4);
}));

await check('reads maps as maps in RESP3', onEmpty(async (redis) => {
  assert.deepEqual({ ...(await redis.configGet('databases')) }, { databases: '16' });
  const raw = await redis.sendCommand(['CONFIG', 'GET', 'databases']);
  assert.deepEqual({ ...raw }, { databases: '16' });
  assert.equal(await redis.eval('redis.setresp(3) return true'), true);
}, { RESP: 3 }));

await check('keeps databases apart', onEmpty(async (redis) => {
  await redis.select(4);
  await redis.set('k', 'four');
  await redis.select(0);
  assert.equal(await redis.get('k'), null);
  await assert.rejects(redis.select(16), /DB index is out of range/);
}));

await check('has ten thousand requests at once answered in order', onEmpty(async (redis) => {
  const numbers = Array.from({ length: 10_000 }, (_, n) => n);
  await Promise.all(numbers.map((n) => redis.set(`k:${n}`, String(n))));
  assert.deepEqual(await Promise.all(numbers.map((n) => redis.get(`k:${n}`))), numbers.map(String));
}, { RESP: 3 }));

await check('runs a transaction', onEmpty(async (redis) => {
  assert.deepEqual(await redis.multi().set('k', '1').incr('k').get('k').exec(), ['OK', 2, '2']);
}, { RESP: 3 }));

await check('runs a pipeline without a transaction', onEmpty(async (redis) => {
  const answers = await redis.multi().set('k', '1').incr('k').get('k').execAsPipeline();
  assert.deepEqual(answers, ['OK', 2, '2']);
}));

await check('finds the errors of a transaction in their places', onEmpty(async (redis) => {
  const program = redis.multi().set('k', 'word').incr('k').set('after', '1');
  await assert.rejects(program.exec(), (error) => {
    assert.match(error.replies[1].message, /ERR value is not an integer or out of range/);
    return error.errorIndexes.length === 1;
  });
  assert.equal(await redis.get('after'), '1');
}));

await check('loses a transaction when a watched key changed', onEmpty(async (redis) => {
  await using(open, async (other) => {
    await redis.watch('k');
    await other.set('k', 'changed');
    await assert.rejects(redis.multi().set('k', 'mine').exec(), /watched keys has been changed/);
    assert.equal(await redis.get('k'), 'changed');
    await redis.watch('k');
    await redis.unwatch();
    await other.set('k', 'again');
    assert.deepEqual(await redis.multi().set('k', 'mine').exec(), ['OK']);
  });
}));

await check('sends a script again when the server has lost it', onEmpty(async (redis) => {
  await redis.scriptFlush();
  assert.equal(await redis.addTo('n', 5), 5);
  assert.equal(await redis.addTo('n', 5), 10);
  await redis.scriptFlush('ASYNC');
  assert.equal(await redis.addTo('n', 5), 15);
  assert.deepEqual(await redis.multi().addTo('n', 1).exec(), [16]);
}, {
  scripts: {
    addTo: defineScript({
      NUMBER_OF_KEYS: 1,
      SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
      parseCommand(parser, key, amount) {
        parser.pushKey(key);
        parser.push(String(amount));
      },
      transformReply: (reply) => reply,
    }),
  },
}));

await check('loads scripts, and finds cjson and cmsgpack in them', onEmpty(async (redis) => {
  const sha = await redis.scriptLoad(
    'return cjson.encode({cmsgpack.unpack(cmsgpack.pack(ARGV[1], 2))})');
  assert.deepEqual(await redis.scriptExists([sha, '0'.repeat(40)]), [1, 0]);
  assert.equal(await redis.evalSha(sha, { arguments: ['x'] }), '["x",2]');
  await assert.rejects(redis.evalSha('0'.repeat(40)), /NOSCRIPT/);
}));

await check('walks over thousands of keys by pattern', onEmpty(async (redis) => {
  const numbers = Array.from({ length: 5_000 }, (_, n) => n);
  await Promise.all(
    numbers.flatMap((n) => [redis.set(`user:${n}`, '1'), redis.set(`other:${n}`, '1')]));
  const seen = new Set();
  for await (const keys of redis.scanIterator({ MATCH: 'user:*', COUNT: 100, TYPE: 'string' })) {
    keys.forEach((key) => seen.add(key));
  }
  assert.equal(seen.size, 5_000);
  assert.equal(await redis.dbSize(), 10_000);
}, { RESP: 3 }));

await check('lets keys expire', onEmpty(async (redis) => {
  await redis.set('k', 'v', { PX: 40 });
  await becomesTrue(async () => (await redis.get('k')) === null);
  assert.equal(await redis.ttl('k'), -2);
  await redis.setEx('k', 100, 'v');
  const ttl = await redis.ttl('k');
  assert.ok(ttl > 98 && ttl <= 100);
  assert.equal(await redis.persist('k'), 1);
  assert.equal(await redis.ttl('k'), -1);
  assert.equal(await redis.expire('k', 50, 'NX'), 1);
  assert.equal(await redis.getEx('k', { type: 'PERSIST' }), 'v');
  assert.equal(await redis.pTTL('k'), -1);
}));

await check('keeps every byte of keys and values', onEmpty(async (redis) => {
  const bytes = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  await bytes.set(everyByte, everyByte);
  assert.deepEqual(await bytes.get(everyByte), everyByte);
  assert.deepEqual(await bytes.keys('*'), [everyByte]);
}, { RESP: 3 }));

await check('moves values of 1 MB and of 64 MB', onEmpty(async (redis) => {
  const bytes = redis.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  for (const megabytes of [1, 64]) {
    const value = Buffer.alloc(megabytes << 20, everyByte);
    assert.equal(await bytes.set('large', value), 'OK');
    assert.equal(await bytes.strLen('large'), value.length);
    assert.ok(value.equals(await bytes.get('large')));
  }
}, { RESP: 3 }));

await check('comes back after it was killed', onEmpty(async (redis) => {
  await using({ ...open, name: 'victim', database: 2, RESP: 3 }, async (victim) => {
    await victim.set('k', 'before');
    const id = await victim.clientId();
    const ready = new Promise((resolve) => victim.once('ready', resolve));
    assert.equal(await redis.clientKill({ filter: 'ID', id }), 1);
    await ready;
    assert.equal(await victim.get('k'), 'before');
    assert.equal(await victim.clientGetName(), 'victim');
    assert.notEqual(await victim.clientId(), id);
  });
}));

await check('shares a pool of connections', async () => {
  const pool = createClientPool({ socket: open, RESP: 3 }, { minimum: 2, maximum: 8 });
  pool.on('error', () => {});
  await pool.connect();
  await pool.flushAll();
  await Promise.all(Array.from({ length: 500 }, () => pool.incr('n')));
  assert.equal(await pool.get('n'), '500');
  pool.destroy();
});

await check('is told of errors in the words of Redis', onEmpty(async (redis) => {
  await redis.set('k', 'word');
  await assert.rejects(redis.incr('k'), /ERR value is not an integer or out of range/);
  await assert.rejects(
    redis.sendCommand(['NOPE', 'a']), /ERR unknown command 'NOPE', with args beginning with: 'a' /);
  await assert.rejects(
    redis.sendCommand(['GET']), /ERR wrong number of arguments for 'get' command/);
  await assert.rejects(redis.setEx('k', 0, 'v'), /ERR invalid expire time in 'setex' command/);
  await assert.rejects(redis.setRange('k', -1, 'x'), /ERR offset is out of range/);
  await assert.rejects(redis.lPush('k', 'x'), /WRONGTYPE Operation against|ERR unknown command/);
}));

await check('finds the fields of INFO that are decided by', onEmpty(async (redis) => {
  const fields = infoFields(await redis.info());
  assert.deepEqual(neededFields.filter((name) => !(name in fields)), []);
  assert.equal(fields.loading, '0');
}, { RESP: 3 }));

await check('lists commands and clients', onEmpty(async (redis) => {
  const commands = await redis.command();
  assert.equal(commands.length, await redis.commandCount());
  const get = commands.find(({ name }) => name === 'get');
  assert.equal(get.arity, 2);
  assert.ok(get.flags.has('readonly'));
  assert.deepEqual(await redis.commandGetKeys(['MSET', 'a', '1', 'b', '2']), ['a', 'b']);
  assert.ok((await redis.clientList()).length >= 1);
}, { RESP: 3 }));

process.exit(0);
