/** A full disk, made of a tmpfs of 1 MiB: what the reserve is good for, and what a host keeps to itself without it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceFile } from '../../host/edge/files.js';
import { RESERVE_BYTES, Reserve } from '../../host/edge/reserve.js';
import { openStateDirectory, type StateDirectory } from '../../host/edge/state-directory.js';
import { emptyDurable } from '../../host/protocol/events.js';
import { savedState, StateKeeper } from '../../host/saved-state.js';

const isRoot = process.getuid?.() === 0;
const withDisk = describe.skipIf(!isRoot);
const ifSkipped = isRoot ? '' : ' (skipped: only root may mount a tmpfs)';

let path = '';
let nowMs = 0;
let reserve: Reserve;
let directory: StateDirectory;

beforeEach(async () => {
  if (!isRoot) return;
  path = mkdtempSync(join(tmpdir(), 'nlb-reserve-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'nlb-test', path]);
  directory = await openStateDirectory(path, { clusterName: 'test', host: 'mail1', dedicatedIp: '127.0.50.1' });
  reserve = new Reserve(path, { nowMs: () => nowMs, wallIso: () => '' });
});
afterEach(async () => {
  if (!isRoot) return;
  await directory.close();
  execFileSync('umount', ['-l', path]);
  rmSync(path, { recursive: true, force: true });
});

function fillDisk(): void {
  expect(() => writeFileSync(join(path, 'filler'), Buffer.alloc(2 << 20))).toThrow('ENOSPC');
}

withDisk(`the reserve${ifSkipped}`, () => {
  it('gives a full disk room for the next view again and again, and is back once there is room', async () => {
    const ecds = join(path, 'envoy', 'ecds.json');
    const view = (number: number) => `${number} ${'v'.repeat(40_000)}`;
    await replaceFile(ecds, view(7));
    expect(await reserve.look()).toBeNull();
    expect(statSync(join(path, 'reserve'))).toMatchObject({ size: RESERVE_BYTES, mode: 0o100600 });
    fillDisk();
    for (const number of [8, 9, 10]) {
      await replaceFile(ecds, view(number));
      expect(readFileSync(ecds, 'utf8')).toBe(view(number));
      nowMs += 10_000;
      expect(await reserve.look()).toBe(
        `The disk under ${path} is full (ENOSPC); the reserve is in use: free at least 512 KiB`,
      );
    }
    rmSync(join(path, 'filler'));
    nowMs += 9999;
    expect(await reserve.look()).toMatch(/is in use/);
    nowMs += 1;
    expect(await reserve.look()).toBeNull();
    expect(statSync(join(path, 'reserve')).size).toBe(RESERVE_BYTES);
  });

  it('serves two writers that find the disk full at the same time', async () => {
    await reserve.look();
    fillDisk();
    await Promise.all([
      directory.save({ number: 2 }),
      replaceFile(join(path, 'envoy', 'ecds.json'), 'v'.repeat(40_000)),
    ]);
    expect(readFileSync(join(path, 'state.json'), 'utf8')).toBe('{"number":2}\n');
  });

  it('is written anew where a crash cut it short, and says what is wrong where it cannot be', async () => {
    writeFileSync(join(path, 'reserve'), 'short');
    expect(await reserve.look()).toBeNull();
    rmSync(join(path, 'reserve'));
    mkdirSync(join(path, 'reserve'));
    nowMs += 10_000;
    expect(await reserve.look()).toMatch(/^Cannot make .*reserve: EISDIR; a full disk would stop/);
  });
});

withDisk(`StateKeeper${ifSkipped}`, () => {
  const durable = (highestNumber: number) => ({ protocol: { ...emptyDurable(), highestNumber } });
  let problem: string | null = null;
  const keeper = () => new StateKeeper(directory, savedState(null, ''), (text) => (problem = text));
  const numberOnDisk = () => JSON.parse(readFileSync(join(path, 'state.json'), 'utf8')).protocol.highestNumber;

  it('saves a view number on a full disk through the reserve, before it is confirmed', async () => {
    const kept = keeper();
    await kept.keep(durable(7));
    await reserve.look();
    fillDisk();
    const saving = kept.keep(durable(8));
    expect(kept.mayConfirm).toBe(false);
    await saving;
    expect([kept.mayConfirm, numberOnDisk(), problem]).toEqual([true, 8, null]);
  });

  it('tells when what it was given is on disk, and what is wrong where it is not', async () => {
    const kept = keeper();
    expect(await kept.saved()).toBeNull();
    void kept.keep({ hostState: 'stopped' });
    void kept.keep({ hostState: 'started' });
    expect(await kept.saved()).toBeNull();
    expect(JSON.parse(readFileSync(join(path, 'state.json'), 'utf8')).hostState).toBe('started');
    fillDisk();
    void kept.keep({ hostState: 'stopped' });
    expect(await kept.saved()).toMatch(
      /^Cannot write .*state\.json: the disk is full \(ENOSPC\); the last good file stays$/,
    );
    rmSync(join(path, 'filler'));
    await kept.saveAgain();
    expect(await kept.saved()).toBeNull();
  });

  it('confirms nothing that a restart would forget (R3), says so, and goes on when it is saved', async () => {
    const kept = keeper();
    await kept.keep(durable(7));
    fillDisk();
    await kept.keep({ hostState: 'stopped' });
    expect(kept.mayConfirm, 'what a restart forgets is no view number').toBe(true);
    await kept.keep(durable(8));
    expect([kept.mayConfirm, numberOnDisk()]).toEqual([false, 7]);
    expect(problem).toMatch(/state\.json: the disk is full \(ENOSPC\).*until view number 8 is saved .* no heartbeats/);
    await kept.saveAgain();
    expect(kept.mayConfirm).toBe(false);
    rmSync(join(path, 'filler'));
    await kept.saveAgain();
    expect([kept.mayConfirm, numberOnDisk(), problem]).toEqual([true, 8, null]);
  });
});
