// BullMQ 6 over ioredis: a thousand jobs with delays, priorities, repeats, flows and workers.

import assert from 'node:assert/strict';
import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } from 'bullmq';
import Redis from 'ioredis';
import { becomesTrue, check, open } from './checks.mjs';

const connection = { ...open, maxRetriesPerRequest: null };

// A queue on an empty server; `work` adds a worker. All are closed at the end.
const queued = (program) => async () => {
  const redis = new Redis(open);
  await redis.flushall();
  const closing = [];
  const made = (it) => {
    it.on('error', () => {});
    closing.push(it);
    return it;
  };
  const queue = made(new Queue('shop', { connection }));
  const work = (process, settings) =>
    made(new Worker('shop', process, { connection, ...settings }));
  try {
    await program({ queue, work, made, redis });
  } finally {
    await Promise.all(closing.reverse().map((it) => it.close(true)));
    redis.disconnect();
  }
};

const numbers = (count) => Array.from({ length: count }, (_, n) => n);

await check('works a thousand jobs by several workers, each once', queued(async ({ queue, work }) => {
  const seen = [];
  const process = async (job) => {
    seen.push(job.data.n);
    return job.data.n * 2;
  };
  for (let n = 0; n < 4; n += 1) work(process, { concurrency: 10 });
  const jobs = await queue.addBulk(numbers(1_000).map((n) => ({ name: 'double', data: { n } })));
  await becomesTrue(async () => (await queue.getCompletedCount()) === 1_000);
  assert.deepEqual(seen.sort((a, b) => a - b), numbers(1_000));
  assert.equal((await queue.getJob(jobs[700].id)).returnvalue, 1_400);
  assert.deepEqual(await queue.getJobCounts('waiting', 'active', 'failed', 'completed'),
    { waiting: 0, active: 0, failed: 0, completed: 1_000 });
}));

await check('tells of progress and the end to those who wait', queued(async ({ queue, work, made }) => {
  const events = made(new QueueEvents('shop', { connection }));
  await events.waitUntilReady();
  const heard = [];
  events.on('progress', ({ data }) => heard.push(data));
  work(async (job) => {
    await job.updateProgress(50);
    await job.log('half');
    return { said: job.data.word };
  });
  const job = await queue.add('say', { word: 'é' });
  assert.deepEqual(await job.waitUntilFinished(events, 30_000), { said: 'é' });
  await becomesTrue(() => heard.length === 1);
  assert.deepEqual([heard, (await queue.getJobLogs(job.id)).logs], [[50], ['half']]);
}));

await check('works jobs by their priority', queued(async ({ queue, work }) => {
  for (const [name, priority] of [['low', 10], ['high', 1], ['middle', 5], ['low too', 10]]) {
    await queue.add(name, {}, { priority });
  }
  await queue.add('first', {}, { lifo: true });
  assert.equal((await queue.getJobs(['prioritized'])).length, 4);
  const order = [];
  work(async ({ name }) => order.push(name));
  await becomesTrue(() => order.length === 5);
  assert.deepEqual(order, ['first', 'high', 'middle', 'low', 'low too']);
}));

await check('works delayed jobs when they are due, in their order', queued(async ({ queue, work }) => {
  const added = Date.now();
  const delays = numbers(50).map((n) => 1_000 - n * 20);
  await queue.addBulk(delays.map((delay) => ({ name: `${delay}`, data: { delay }, opts: { delay } })));
  assert.equal(await queue.getDelayedCount(), 50);
  const late = [];
  work(async ({ data }) => late.push({ delay: data.delay, after: Date.now() - added }));
  await becomesTrue(() => late.length === 50);
  assert.ok(late.every(({ delay, after }) => after >= delay - 5));
  assert.deepEqual(late.map(({ delay }) => delay), [...delays].reverse());
  const far = await queue.add('far', {}, { delay: 3_600_000 });
  await far.promote();
  await becomesTrue(() => far.isCompleted());
}));

await check('repeats a job until it is told to stop', queued(async ({ queue, work }) => {
  let worked = 0;
  work(async () => { worked += 1; });
  await queue.upsertJobScheduler('tick', { every: 50 }, { name: 'tick', data: {} });
  await becomesTrue(() => worked >= 5);
  assert.equal((await queue.getJobSchedulers())[0].key, 'tick');
  assert.equal(await queue.removeJobScheduler('tick'), true);
  await becomesTrue(async () => (await queue.getDelayedCount()) === 0);
  await queue.upsertJobScheduler('nightly', { pattern: '0 0 3 * * *' }, { name: 'nightly' });
  assert.equal((await queue.getDelayed()).length, 1);
}));

await check('tries again what failed, with a growing pause', queued(async ({ queue, work }) => {
  work(async (job) => {
    if (job.name === 'hopeless') throw new UnrecoverableError('no way');
    if (job.attemptsMade < 2) throw new Error(`attempt ${job.attemptsMade}`);
    return job.attemptsMade;
  });
  const backoff = { type: 'exponential', delay: 20 };
  const job = await queue.add('stumble', {}, { attempts: 5, backoff });
  await becomesTrue(() => job.isCompleted());
  assert.equal((await queue.getJob(job.id)).attemptsMade, 3);
  const hopeless = await queue.add('hopeless', {}, { attempts: 5 });
  await becomesTrue(() => hopeless.isFailed());
  assert.equal((await queue.getJob(hopeless.id)).failedReason, 'no way');
  await hopeless.retry();
  await becomesTrue(async () => (await queue.getJob(hopeless.id)).attemptsMade === 2);
}));

await check('works a parent after all its children', queued(async ({ work, made }) => {
  const flows = made(new FlowProducer({ connection }));
  work(async (job) => {
    if (!job.name.startsWith('parent')) return job.data.n;
    const children = Object.values(await job.getChildrenValues());
    return children.reduce((sum, n) => sum + n, 0);
  }, { concurrency: 5 });
  const child = (n) => ({ name: `child ${n}`, data: { n }, queueName: 'shop' });
  const inner = { name: 'parent inner', queueName: 'shop', children: numbers(10).map(child) };
  const flow = await flows.add({
    name: 'parent', queueName: 'shop', children: [inner, child(100), child(200)],
  });
  await becomesTrue(() => flow.job.isCompleted());
  const tree = await flows.getFlow({ id: flow.job.id, queueName: 'shop' });
  assert.deepEqual([tree.job.returnvalue, tree.children.length], [345, 3]);
}));

await check('fails a parent whose child failed for good', queued(async ({ work, made, queue }) => {
  const flows = made(new FlowProducer({ connection }));
  work(async ({ name }) => { if (name === 'child') throw new Error('broken'); });
  const flow = await flows.add({
    name: 'parent', queueName: 'shop',
    children: [{ name: 'child', queueName: 'shop', opts: { failParentOnFailure: true } }],
  });
  await becomesTrue(() => flow.job.isFailed());
  assert.equal(await queue.getFailedCount(), 2);
}));

await check('takes back the jobs of a worker that is gone', queued(async ({ queue, work }) => {
  const stuck = work(() => new Promise(() => {}), {
    lockDuration: 200, skipLockRenewal: true, stalledInterval: 100,
  });
  const job = await queue.add('slow', {});
  await becomesTrue(() => job.isActive());
  await stuck.close(true);
  work(async () => 'done', { stalledInterval: 100 });
  await becomesTrue(() => job.isCompleted());
}));

await check('limits how fast jobs are worked', queued(async ({ queue, work }) => {
  const times = [];
  work(async () => times.push(Date.now()), { limiter: { max: 2, duration: 200 }, concurrency: 5 });
  await queue.addBulk(numbers(6).map((n) => ({ name: 'k', data: { n } })));
  await becomesTrue(() => times.length === 6);
  assert.ok(times[5] - times[0] >= 300, `${times[5] - times[0]} ms`);
}));

await check('pauses, drains, cleans and obliterates a queue', queued(async ({ queue, work, redis }) => {
  await queue.pause();
  await queue.addBulk(numbers(20).map((n) => ({ name: 'k', data: { n } })));
  let worked = 0;
  work(async () => { worked += 1; });
  assert.deepEqual([await queue.isPaused(), worked], [true, 0]);
  await queue.resume();
  await becomesTrue(async () => (await queue.getCompletedCount()) === 20);
  assert.equal((await queue.clean(0, 15, 'completed')).length, 15);
  await queue.pause();
  await queue.add('k', {});
  await queue.drain();
  assert.equal(await queue.count(), 0);
  await queue.obliterate({ force: true });
  assert.deepEqual((await redis.keys('bull:shop:*')).filter((key) => !/stalled|marker/.test(key)), []);
}));

await check('takes a job once for all who ask for the same', queued(async ({ queue }) => {
  const twins = await Promise.all(numbers(10).map(() => queue.add('k', {}, { jobId: 'same' })));
  assert.deepEqual(new Set(twins.map(({ id }) => id)), new Set(['same']));
  const debounced = { deduplication: { id: 'once', ttl: 60_000 } };
  for (let n = 0; n < 3; n += 1) await queue.add('d', { n }, debounced);
  assert.equal(await queue.getWaitingCount(), 2);
  await queue.remove('same');
  assert.equal(await queue.getWaitingCount(), 1);
}));

process.exit();
