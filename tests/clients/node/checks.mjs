// What both suites share: saying a sentence with its proof, waiting for something to become true,
// and where the servers are. How the sentences reach pytest is told in ../scripted.py.

import assert from 'node:assert/strict';

export const open = { host: '127.0.0.1', port: Number(process.env.OPEN_PORT) };
export const locked = { host: '127.0.0.1', port: Number(process.env.LOCKED_PORT) };
export const password = process.env.LOCKED_PASSWORD;

const provedWithinMs = 60_000;
const pollMs = 10;

export async function check(sentence, proof) {
  let problem = null;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), provedWithinMs);
  });
  try {
    await Promise.race([proof(), late]);
  } catch (error) {
    problem = String(error.stack ?? error);
  }
  clearTimeout(timer);
  console.log(JSON.stringify({ sentence, problem }));
}

export async function becomesTrue(question) {
  const until = Date.now() + provedWithinMs / 2;
  while (!(await question())) {
    assert.ok(Date.now() < until, 'it never became true');
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

// Runs a program with a connection of its own and closes it, whatever happens.
export function withClient(connect, close) {
  return async (settings, program) => {
    const client = await connect(settings);
    try {
      return await program(client);
    } finally {
      await close(client);
    }
  };
}

export function infoFields(text) {
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return Object.fromEntries(lines.map((line) => line.split(/:(.*)/s).slice(0, 2)));
}

export const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

// Fields that tools and libraries decide by.
export const neededFields = [
  'redis_version', 'redis_mode', 'role', 'loading', 'maxmemory_policy', 'connected_clients',
  'total_commands_processed', 'keyspace_hits', 'keyspace_misses', 'used_memory',
  'used_memory_human', 'cluster_enabled', 'uptime_in_seconds',
];
