// ioredis 5 (RESP2): what BullMQ and thousands of services connect with.

import assert from 'node:assert/strict';
import Redis from 'ioredis';
import {
  becomesTrue, check, everyByte, infoFields, locked, neededFields, open, password, withClient,
} from './checks.mjs';

const quiet = { lazyConnect: true, retryStrategy: (times) => Math.min(times * 10, 200) };

async function connect(settings) {
  const client = new Redis({ ...quiet, ...settings });
  client.on('error', () => {});
  await client.connect();
  return client;
}

const using = withClient(connect, (client) => client.disconnect());
const onEmpty = (program) => () =>
  using(open, async (redis) => {
    await redis.flushall();
    await program(redis);
  });

// What a connection that may not be made says of it, as an application hears it.
async function complaint(settings) {
  const client = new Redis({ ...settings, retryStrategy: null });
  const { message } = await new Promise((resolve) => client.once('error', resolve));
  client.disconnect();
  return message;
}

await check('connects, and its ready check finds the server loaded', () =>
  using(open, async (redis) => {
    assert.equal(redis.status, 'ready');
    assert.equal(await redis.ping(), 'PONG');
  }));

await check('signs in with a password alone', () =>
  using({ ...locked, password }, async (redis) => assert.equal(await redis.ping(), 'PONG')));

await check('signs in with a user and a password, a name and a database', () => {
  const settings = { ...locked, username: 'default', password, db: 3, connectionName: 'queue' };
  return using(settings, async (redis) => {
    assert.equal(await redis.client('GETNAME'), 'queue');
    assert.match(await redis.client('INFO'), / db=3 /);
  });
});

await check('is refused with a wrong password', async () => {
  const settings = { ...locked, username: 'default', password: 'wrong' };
  assert.match(await complaint(settings), /WRONGPASS invalid username-password pair/);
});

await check('is refused without a password', async () => {
  assert.match(await complaint(locked), /NOAUTH Authentication required/);
});

await check('keeps databases apart', onEmpty(async (redis) => {
  await redis.select(4);
  await redis.set('k', 'four');
  await redis.select(0);
  assert.equal(await redis.get('k'), null);
  await assert.rejects(redis.select(16), /DB index is out of range/);
}));

await check('sets, reads and counts', onEmpty(async (redis) => {
  assert.equal(await redis.set('k', 'v', 'EX', 100, 'NX'), 'OK');
  assert.equal(await redis.set('k', 'w', 'NX'), null);
  assert.equal(await redis.get('k'), 'v');
  assert.equal(await redis.set('k', 'w', 'KEEPTTL', 'GET'), 'v');
  assert.deepEqual(await redis.mget('k', 'none'), ['w', null]);
  assert.equal(await redis.mset({ a: 1, b: 2 }), 'OK');
  assert.equal(await redis.incrby('a', 41), 42);
  assert.equal(await redis.incrbyfloat('a', 0.5), '42.5');
  assert.equal(await redis.getdel('b'), '2');
  assert.equal(await redis.unlink('a', 'b', 'k'), 2);
}));

await check('has ten thousand requests at once answered in order', onEmpty(async (redis) => {
  const pipeline = redis.pipeline();
  for (let n = 0; n < 10_000; n++) pipeline.set(`k:${n}`, n).get(`k:${n}`);
  const answers = await pipeline.exec();
  assert.equal(answers.length, 20_000);
  for (let n = 0; n < 10_000; n++) assert.deepEqual(answers[2 * n + 1], [null, String(n)]);
}));

await check('pipelines by itself what is asked in one turn', () =>
  using({ ...open, enableAutoPipelining: true }, async (redis) => {
    await redis.flushall();
    const numbers = Array.from({ length: 1_000 }, (_, n) => n);
    await Promise.all(numbers.map((n) => redis.set(`k:${n}`, n)));
    const answers = await Promise.all(numbers.map((n) => redis.get(`k:${n}`)));
    assert.deepEqual(answers, numbers.map(String));
  }));

await check('finds an error in a pipeline in its own place', onEmpty(async (redis) => {
  const answers = await redis.pipeline().set('k', 'word').incr('k').get('k').exec();
  assert.deepEqual(answers[0], [null, 'OK']);
  assert.match(answers[1][0].message, /ERR value is not an integer or out of range/);
  assert.deepEqual(answers[2], [null, 'word']);
}));

await check('runs a transaction', onEmpty(async (redis) => {
  const answers = await redis.multi().set('k', 1).incr('k').get('k').exec();
  assert.deepEqual(answers, [[null, 'OK'], [null, 2], [null, '2']]);
}));

await check('discards a transaction', onEmpty(async (redis) => {
  await redis.multi({ pipeline: false });
  assert.equal(await redis.set('k', 1), 'QUEUED');
  assert.equal(await redis.discard(), 'OK');
  assert.equal(await redis.get('k'), null);
}));

await check('has a transaction refused for a command that is none', onEmpty(async (redis) => {
  await redis.multi({ pipeline: false });
  await assert.rejects(redis.call('NOPE'), /unknown command/);
  assert.equal(await redis.set('k', 1), 'QUEUED');
  await assert.rejects(redis.exec(), /EXECABORT Transaction discarded because of previous errors/);
}));

await check('loses a transaction when a watched key changed', onEmpty(async (redis) => {
  await using(open, async (other) => {
    await redis.watch('k');
    await other.set('k', 'changed');
    assert.equal(await redis.multi().set('k', 'mine').exec(), null);
    assert.equal(await redis.get('k'), 'changed');
    await redis.watch('k');
    assert.deepEqual(await redis.multi().set('k', 'mine').exec(), [[null, 'OK']]);
  });
}));

await check('sends a script again when the server has lost it', onEmpty(async (redis) => {
  const lua = "return redis.call('INCRBY', KEYS[1], ARGV[1])";
  redis.defineCommand('addTo', { numberOfKeys: 1, lua });
  await redis.script('FLUSH');
  assert.equal(await redis.addTo('n', 5), 5);
  assert.equal(await redis.addTo('n', 5), 10);
  await redis.script('FLUSH', 'SYNC');
  assert.equal(await redis.addTo('n', 5), 15);
  const answers = await redis.pipeline().addTo('n', 1).addTo('n', 1).exec();
  assert.deepEqual(answers, [[null, 16], [null, 17]]);
  assert.deepEqual(await redis.multi().addTo('n', 1).exec(), [[null, 18]]);
}));

await check('loads scripts and asks for them', onEmpty(async (redis) => {
  const sha = await redis.script('LOAD', 'return {KEYS[1], ARGV[1], 3.7, false}');
  assert.deepEqual(await redis.script('EXISTS', sha, '0'.repeat(40)), [1, 0]);
  assert.deepEqual(await redis.evalsha(sha, 1, 'k', 'a'), ['k', 'a', 3, null]);
  await assert.rejects(redis.evalsha('0'.repeat(40), 0), /NOSCRIPT No matching script/);
}));

await check('finds cjson and cmsgpack in scripts', onEmpty(async (redis) => {
  const script = `
    local job = cjson.decode(ARGV[1])
    local packed = cmsgpack.pack({job.name, job.opts.attempts})
    redis.call('SET', KEYS[1], packed)
    local back = cmsgpack.unpack(redis.call('GET', KEYS[1]))
    return cjson.encode({name = back[1], attempts = back[2]})`;
  const job = JSON.stringify({ name: 'mail', opts: { attempts: 3 } });
  const back = JSON.parse(await redis.eval(script, 1, 'job', job));
  assert.deepEqual(back, { name: 'mail', attempts: 3 });
}));

await check('walks over thousands of keys by pattern', onEmpty(async (redis) => {
  const pipeline = redis.pipeline();
  for (let n = 0; n < 5_000; n++) pipeline.set(`user:${n}`, n).set(`other:${n}`, n);
  await pipeline.exec();
  const seen = new Set();
  for await (const keys of redis.scanStream({ match: 'user:*', count: 100 })) {
    keys.forEach((key) => seen.add(key));
  }
  assert.equal(seen.size, 5_000);
  assert.ok([...seen].every((key) => key.startsWith('user:')));
  assert.equal(await redis.dbsize(), 10_000);
}));

await check('lets keys expire', onEmpty(async (redis) => {
  await redis.set('k', 'v', 'PX', 40);
  await becomesTrue(async () => (await redis.get('k')) === null);
  assert.equal(await redis.ttl('k'), -2);
  await redis.set('k', 'v', 'EX', 100);
  const ttl = await redis.ttl('k');
  assert.ok(ttl > 98 && ttl <= 100);
  assert.equal(await redis.persist('k'), 1);
  assert.equal(await redis.ttl('k'), -1);
  assert.equal(await redis.expire('k', 50, 'XX'), 0);
  assert.equal(await redis.pexpire('k', 50_000, 'NX'), 1);
}));

await check('keeps every byte of keys and values', onEmpty(async (redis) => {
  await redis.set(everyByte, everyByte);
  assert.deepEqual(await redis.getBuffer(everyByte), everyByte);
  assert.deepEqual((await redis.scanBuffer('0'))[1], [everyByte]);
}));

await check('moves values of 1 MB and of 64 MB', onEmpty(async (redis) => {
  for (const megabytes of [1, 64]) {
    const value = Buffer.alloc(megabytes << 20, everyByte);
    assert.equal(await redis.set('large', value), 'OK');
    assert.equal(await redis.strlen('large'), value.length);
    assert.ok(value.equals(await redis.getBuffer('large')));
  }
}));

await check('comes back after it was killed', onEmpty(async (redis) => {
  await using({ ...open, connectionName: 'victim', db: 2 }, async (victim) => {
    await victim.set('k', 'before');
    const id = await victim.client('ID');
    assert.equal(await redis.client('KILL', 'ID', id), 1);
    assert.equal(await victim.get('k'), 'before');
    assert.equal(await victim.client('GETNAME'), 'victim');
    assert.notEqual(await victim.client('ID'), id);
  });
}));

await check('is told of errors in the words of Redis', onEmpty(async (redis) => {
  await redis.set('k', 'word');
  await assert.rejects(redis.incr('k'), /ERR value is not an integer or out of range$/);
  await assert.rejects(
    redis.call('NOPE', 'a'), /ERR unknown command 'NOPE', with args beginning with: 'a' /);
  await assert.rejects(redis.call('GET'), /ERR wrong number of arguments for 'get' command/);
  await assert.rejects(redis.set('k', 'v', 'EX', 0), /ERR invalid expire time in 'set' command/);
  await assert.rejects(
    redis.setrange('k', 536_870_912, 'x'), /ERR string exceeds maximum allowed size/);
  await assert.rejects(redis.lpush('k', 'x'), /WRONGTYPE Operation against|ERR unknown command/);
}));

await check('finds the fields of INFO that are decided by', onEmpty(async (redis) => {
  await redis.set('k', 'v');
  const fields = infoFields(await redis.info());
  assert.deepEqual(neededFields.filter((name) => !(name in fields)), []);
  assert.ok(Number(fields.redis_version.split('.')[0]) >= 7);
  assert.match(fields.db0, /^keys=1,expires=0,avg_ttl=0/);
}));

await check('watches what others do', onEmpty(async (redis) => {
  const monitor = await redis.monitor();
  const seen = new Promise((resolve) => {
    monitor.on('monitor', (time, words, source, database) => {
      if (words[1] === 'seen') resolve({ words, database });
    });
  });
  await redis.set('seen', 'yes');
  assert.deepEqual(await seen, { words: ['set', 'seen', 'yes'], database: '0' });
  monitor.disconnect();
}));

process.exit(0);
