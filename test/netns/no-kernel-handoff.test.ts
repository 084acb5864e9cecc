/** Mode arp where the kernel cannot hand off: the holder's Envoy does it, every client is served by its owner, and people are told. */
import { execFileSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../e2e/harness/wait.js';
import { ArpLab, asked, SMTP } from './arp-lab.js';
import { NLB } from './cluster.js';
import { whyNoNetwork } from './network.js';
import { type UnhashedNft, unhashedNft } from './unhashed-nft.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: mode arp where the kernel cannot hand off: ${why}`);
const LIMIT_MS = 60_000;
const NAMES = ['n1', 'n2', 'n3'];

describe.skipIf(why !== null)('mode arp where the kernel cannot hand off', () => {
  let lab: ArpLab;
  let broken: UnhashedNft;
  beforeAll(async () => {
    broken = unhashedNft();
    lab = await ArpLab.start(NAMES.length, 'arp', { prefix: broken.prefix }, false);
  });
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') console.log(lab.logs());
  });
  afterAll(() => {
    lab?.remove();
    broken?.remove();
  });

  const display = (name: string) => {
    const place = ['--state-dir', lab.host(name).stateDir];
    try {
      return execFileSync(process.execPath, [NLB, 'display', ...place], { encoding: 'utf8' });
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  };

  it('serves every client at its owner, which sees the client itself, says what depends on whom, and mends itself', async () => {
    const clients = asked(200, SMTP);
    const owners = lab.modelOwners(NAMES, clients).map((host, i) => `${host} sees ${clients[i]!.from}`);
    expect(new Set(owners.map((owner) => owner.slice(0, 2))).size).toBe(3);
    const served = async () =>
      (await lab.visit(clients)).map(({ host, seen, error }) => error ?? `${host} sees ${seen}`);
    const expectServed = async () => {
      let found: string[] = [];
      const isRight = async () => {
        found = await served();
        return found.join() === owners.join() || null;
      };
      await waitFor('every client to be served by its owner', isRight, LIMIT_MS).catch(() => {});
      expect(found).toEqual(owners);
    };
    await expectServed();
    const depends = (holder: string | null | undefined) =>
      `all connections depend on host ${holder}: the kernel does not hand off all connections, Envoy does: ` +
      'Cannot put the handoff by this view in force: Error: Could not process rule: No such file or directory';
    const states = async () => {
      const statuses = await Promise.all(lab.cluster.hosts.map((host) => lab.cluster.status(host)));
      return statuses.map((status) => status?.virtualIp);
    };
    await waitFor(
      'every host to say on whom it depends',
      async () => (await states()).every((state) => state?.kernelProblem === depends(state?.holder)),
      LIMIT_MS,
    );
    await waitFor(
      'nlb display to say so',
      async () =>
        display('n2')
          .replace(/\s+/g, ' ')
          .includes(depends((await states())[1]?.holder)),
      LIMIT_MS,
    );
    broken.becomeWhole();
    await waitFor(
      'the kernels to hand off',
      async () => (await states()).every((state) => state?.kernelProblem === null),
      LIMIT_MS,
    );
    await expectServed();
  });
});
