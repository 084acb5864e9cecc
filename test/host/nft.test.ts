/** Programs that the sidecar runs, and what it says where one cannot be run. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { complaintOf, mayAdministerNetwork, Nft, runProgram } from '../../host/edge/nft.js';
import { examineLeft } from '../../host/examine-left.js';
import { fileOf, LAWFUL } from './config-fixture.js';

const file = fileOf(LAWFUL);
const PID = String(process.pid);
const WHY = 'cannot be started: this process may open no more files (EMFILE); raise LimitNOFILE= (ulimit -n)';

/** With no more than `freeCount` files. Of this process alone; where its limit is a million, it is lowered first. */
async function withoutFreeFile<T>(work: () => Promise<T>, freeCount = 0): Promise<T> {
  const allowed = execFileSync('prlimit', ['--pid', PID, '--nofile', '--output', 'SOFT', '--noheadings']);
  execFileSync('prlimit', ['--pid', PID, '--nofile=256:']);
  const taken: number[] = [];
  try {
    try {
      for (;;) taken.push(openSync('/dev/null', 'r'));
    } catch (error) {
      expect(error).toMatchObject({ code: 'EMFILE' });
    }
    for (const fd of taken.splice(0, freeCount)) closeSync(fd);
    return await work();
  } finally {
    for (const fd of taken) closeSync(fd);
    execFileSync('prlimit', ['--pid', PID, `--nofile=${String(allowed).trim()}:`]);
  }
}

describe('runProgram()', () => {
  it('says of a program that is not there that it is not installed', async () => {
    const result = await runProgram(['nlb-no-such-program']);
    expect([result.code, complaintOf(result)]).toEqual([null, 'nlb-no-such-program is not installed']);
  });

  it('says that no file is free where that is why a program cannot be started', async () => {
    const result = await withoutFreeFile(() => runProgram(['true']));
    expect([result.code, complaintOf(result)]).toEqual([null, `true ${WHY}`]);
    expect(await runProgram(['true'])).toMatchObject({ code: 0 });
  });
});

describe('nftables where no file is free', () => {
  const nft = new Nft();

  it.each<[string, () => Promise<unknown>, string]>([
    ['run()', () => nft.run('', 'the redirect'), `Cannot put the redirect in force: nft ${WHY}`],
    ['runWhereThere()', () => nft.runWhereThere('', 'a seat'), `Cannot put a seat in force: nft ${WHY}`],
    ['list()', () => nft.list('chains'), `Cannot list chains of nftables: nft ${WHY}`],
  ])('%s refuses, with why', async (_, work, text) => {
    const error = await withoutFreeFile(() => work().catch((thrown: Error) => thrown));
    expect(error).toMatchObject({ code: 'KERNEL_REFUSED', message: text });
  });

  it('the doctor finds out what it can with the few there are, and says what it could not', async () => {
    const facts = await withoutFreeFile(() => examineLeft(file, file.hosts[0]!, []), 2);
    const leftUnknown = mayAdministerNetwork() ? `Cannot list chains of nftables: nft ${WHY}` : expect.any(String);
    expect(facts).toEqual({ left: { mode: file.mode, addresses: [], tables: [] }, leftUnknown });
  });
});
