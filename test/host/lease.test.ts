/** The lease of the holder: which renewals count, with a program in the place of nft that writes down what it is told. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { Lease } from '../../host/virtual-ip/lease.js';
import { renewalText } from '../../host/virtual-ip/ruleset.js';
import { freshDirectory } from './cli-fixture.js';

const LEASE_MS = 1000;
let lease: Lease | null = null;
afterEach(async () => {
  await lease?.end();
  lease = null;
});

function lab() {
  const program = join(freshDirectory(), 'written-down');
  writeFileSync(program, '#!/bin/sh\nexec cat >"$0.txt"\n', { mode: 0o700 });
  const world = { nowMs: 0, problems: [] as (string | null)[] };
  const made = new Lease({
    table: 't',
    device: 'eth0',
    leaseMs: LEASE_MS,
    everyMs: 3_600_000,
    clock: { nowMs: () => world.nowMs, wallIso: () => '' },
    prefix: [program],
    onRefused: () => {},
    onProblem: (problem) => world.problems.push(problem),
    onOver: () => {},
  });
  lease = made;
  return { world, lease: made, written: () => readFileSync(`${program}.txt`, 'utf8') };
}

/** `work` in a moment in which this process may open no more files. */
function withoutFiles(work: () => void): void {
  const limit = (...args: string[]) =>
    execFileSync('prlimit', ['--pid', `${process.pid}`, ...args], { encoding: 'utf8' });
  const allowed = limit('--nofile', '--output', 'SOFT', '--noheadings').trim();
  const taken: number[] = [];
  limit('--nofile=200:');
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    work();
  } finally {
    for (const file of taken) closeSync(file);
    limit(`--nofile=${allowed}:`);
  }
}

test('a renewal that found no file to be written with does not count, and is said once until one is written', async () => {
  const { world, lease, written } = lab();
  for (const nowMs of [300, 600]) {
    world.nowMs = nowMs;
    withoutFiles(() => lease.renew());
    await setImmediate();
    expect(world.problems).toEqual([expect.stringContaining('EMFILE')]);
  }
  world.nowMs = LEASE_MS - 1;
  expect(lease.isOver()).toBe(false);
  world.nowMs = LEASE_MS;
  expect(lease.isOver()).toBe(true);
  world.nowMs = LEASE_MS - 1;
  lease.renew();
  expect(world.problems).toEqual([expect.any(String), null]);
  world.nowMs += LEASE_MS - 1;
  expect(lease.isOver()).toBe(false);
  await expect.poll(written).toBe(renewalText('t', 'eth0', LEASE_MS));
});

test('a lease that ends says no more of why it was not renewed', async () => {
  const { world, lease } = lab();
  withoutFiles(() => lease.renew());
  await setImmediate();
  await lease.end();
  expect(world.problems).toEqual([expect.stringContaining('EMFILE'), null]);
});
