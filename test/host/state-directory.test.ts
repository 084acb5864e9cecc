import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStateDirectory } from '../../host/edge/state-directory.js';

const MAIL1 = { clusterName: 'mail.example.org', host: 'mail1', dedicatedIp: '127.0.50.1' };

const isRoot = process.getuid?.() === 0;
let parent = '';
let path = '';

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'nlb-state-'));
  path = join(parent, 'mail1');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

describe('openStateDirectory()', () => {
  it('gives back what was saved last, after any number of saves at once', async () => {
    const first = await openStateDirectory(path, MAIL1);
    expect(first.saved).toBeNull();
    await Promise.all([1, 2, 3].map((number) => first.save({ number })));
    await first.close();
    const second = await openStateDirectory(path, MAIL1);
    expect(second.saved).toEqual({ number: 3 });
    await second.close();
  });

  it('refuses a directory that another sidecar has locked, and names its process', async () => {
    const first = await openStateDirectory(path, MAIL1);
    await expect(openStateDirectory(path, MAIL1)).rejects.toMatchObject({
      code: 'STATE_DIRECTORY_LOCKED',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await first.close();
    await (await openStateDirectory(path, MAIL1)).close();
  });

  it('takes over the lock of a process that was killed', async () => {
    const script = `exec 9>>"${path}/lock"; flock 9; echo locked; exec sleep 600 9>&9`;
    await (await openStateDirectory(path, MAIL1)).close();
    const holder = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(holder.stdout, 'data');
    await expect(openStateDirectory(path, MAIL1)).rejects.toMatchObject({ code: 'STATE_DIRECTORY_LOCKED' });
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await (await openStateDirectory(path, MAIL1)).close();
  });

  it('refuses a copy of the directory of another host', async () => {
    await (await openStateDirectory(path, MAIL1)).close();
    const copy = join(parent, 'mail2');
    cpSync(path, copy, { recursive: true });
    await expect(
      openStateDirectory(copy, { ...MAIL1, host: 'mail2', dedicatedIp: '127.0.50.2' }),
    ).rejects.toMatchObject({
      code: 'STATE_DIRECTORY_FOREIGN',
      message: expect.stringMatching(/belongs to host mail1, this is mail2.*--state-dir/),
    });
  });

  it('refuses state that is not JSON instead of starting afresh', async () => {
    await (await openStateDirectory(path, MAIL1)).close();
    writeFileSync(join(path, 'state.json'), '{"format":1,');
    await expect(openStateDirectory(path, MAIL1)).rejects.toMatchObject({ code: 'STATE_UNREADABLE' });
  });

  it.skipIf(!isRoot)(
    `keeps the last good state when the disk is full${isRoot ? '' : ' (skipped: only root may mount a tmpfs)'}`,
    async () => {
      mkdirSync(path);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'nlb-test', path]);
      try {
        const directory = await openStateDirectory(path, MAIL1);
        await directory.save({ number: 1 });
        const filler = join(path, 'filler');
        expect(() => writeFileSync(filler, Buffer.alloc(256 * 1024))).toThrow('ENOSPC');
        await expect(directory.save({ number: 2, text: 'x'.repeat(8192) })).rejects.toMatchObject({
          code: 'DISK_FULL',
          message: expect.stringMatching(/state\.json: the disk is full \(ENOSPC\); the last good file stays/),
        });
        expect(readFileSync(join(path, 'state.json'), 'utf8')).toBe('{"number":1}\n');
        expect(readdirSync(path).filter((name) => name.startsWith('.'))).toEqual([]);
        rmSync(filler);
        await directory.save({ number: 3 });
        await directory.close();
        expect(readFileSync(join(path, 'state.json'), 'utf8')).toBe('{"number":3}\n');
      } finally {
        execFileSync('umount', ['-l', path]);
      }
    },
  );
});
