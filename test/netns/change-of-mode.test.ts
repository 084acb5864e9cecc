/**
 * The mode of a cluster is changed as docs/operating.md says: another file on every host, and one sidecar restarted after the other. A
 * client asks all the time who has the virtual IP, and sessions are held open. Each test begins where the one before ended.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../e2e/harness/wait.js';
import { ArpLab, asked, type Held, type LabMode, SMTP } from './arp-lab.js';
import { VIRTUAL_IP } from './cluster.js';
import { leftovers } from './holder-lab.js';
import { inside } from './inside.js';
import { whyNoNetwork } from './network.js';
import { type WhoHas, whoHas } from './who-has.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: a change of mode: ${why}`);

const CLUSTER_MAC = '03:bf:0a:4d:00:c8';
const NAMES = ['n1', 'n2', 'n3'];
/** On a busy machine; an idle one needs a tenth. */
const LIMIT_MS = 60_000;
const TEST_MS = 300_000;

describe.skipIf(why !== null)('a change of mode, host by host', () => {
  let lab: ArpLab;
  let held: Held[] = [];

  beforeAll(async () => {
    lab = await ArpLab.start(3, 'arp', {
      heartbeatPeriodMs: 500,
      sidecarArguments: ['--envoy-args=--concurrency 1 --drain-time-s 1'],
    });
    const text = readFileSync(join(lab.cluster.directory, 'cluster.yaml'), 'utf8');
    for (const mode of ['arp', 'multicast', 'routed\nlistenOn: dedicatedIp']) {
      const path = join(lab.cluster.directory, `${mode.split('\n')[0]}.yaml`);
      writeFileSync(path, text.replace('mode: arp', `mode: ${mode}`));
    }
  });
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') console.log(lab.logs());
  });
  afterAll(() => lab?.remove());

  /** Who answered for the virtual IP all the while; it is said where two did in one moment. */
  async function watched(run: () => Promise<void>): Promise<WhoHas> {
    const { client, hosts } = lab.cluster.network;
    const watch = await whoHas(client, hosts, VIRTUAL_IP, CLUSTER_MAC);
    try {
      await run();
    } catch (error) {
      await watch.end();
      throw error;
    }
    const told = await watch.end();
    expect(told.askedCount).toBeGreaterThan(10);
    expect(told.doubles).toEqual([]);
    return told;
  }

  const tables = (name: string): string[] => {
    const listed = inside(lab.host(name), 'nft', 'list', 'chains');
    return [...new Set(listed.match(/envoy_nlb_[a-z]+/g))].sort();
  };
  const arpIgnore = (name: string) => inside(lab.host(name), 'cat', '/proc/sys/net/ipv4/conf/eth0/arp_ignore').trim();

  /** And nothing of mode arp. A host is in the view before it has made its kernel anew. */
  async function kernelHas(name: string, what: string, look: () => string[]): Promise<void> {
    const wanted = [what, '0'];
    await waitFor(`the kernel of ${name}`, () => look().join() === wanted.join(), LIMIT_MS).catch(() => {});
    expect(look()).toEqual(wanted);
  }

  async function endSidecar(name: string, signal: NodeJS.Signals): Promise<void> {
    const { sidecar } = lab.host(name);
    sidecar.kill(signal);
    const hasEnded = () => sidecar.exitCode !== null || sidecar.signalCode !== null;
    await waitFor(`the sidecar of ${name} to end`, hasEnded, LIMIT_MS);
  }

  async function restart(name: string, mode: LabMode, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await endSidecar(name, signal);
    lab.cluster.runSidecar(lab.host(name), `${mode}.yaml`);
  }

  /** That host is outside, by its own word and by the others', who serve on. */
  async function outside(name: string, others: string[]): Promise<void> {
    const index = NAMES.indexOf(name);
    const isOutside = async () => {
      const statuses = await Promise.all([name, others[0]!].map((each) => lab.cluster.status(lab.host(each))));
      return statuses.every((status) => status?.hosts[index]?.state === 'outside');
    };
    await waitFor(`${name} to be outside`, isOutside, LIMIT_MS);
    await lab.agreedViews(others);
  }

  /** By these hosts and no others, as soon as clients have learned the way. */
  async function served(names: string[]): Promise<void> {
    let by: (string | undefined)[] = [];
    const isRight = async () => {
      const greetings = await lab.visit(asked(16, SMTP));
      by = [...new Set(greetings.map(({ host, error }) => host ?? error))].sort();
      return by.join() === names.join() || null;
    };
    await waitFor(`clients to be served by ${names}`, isRight, LIMIT_MS).catch(() => expect(by).toEqual(names));
  }

  /** Each in its turn; who is in the minority is outside. The second is the one that brings the change in force. */
  async function change(to: LabMode, how: (name: string) => Promise<void>): Promise<void> {
    await how('n1');
    await outside('n1', ['n2', 'n3']);
    if (lab.mode !== 'routed') await served(['n2', 'n3']);
    await how('n2');
    lab.mode = to;
    await outside('n3', ['n1', 'n2']);
    if (to !== 'routed') await served(['n1', 'n2']);
    await how('n3');
    await lab.agreedViews(NAMES);
    if (to !== 'routed') await served(NAMES);
  }

  test(
    'arp to multicast: never two answers, no open connection is lost, and a sidecar killed in the midst of it leaves nothing',
    async () => {
      held = await lab.hold(12);
      const { answered } = await watched(async () => {
        await change('multicast', async (name) => {
          await restart(name, 'multicast', name === 'n2' ? 'SIGKILL' : 'SIGTERM');
          if (name !== 'n1') return;
          const hasBegun = () => lab.cluster.logOf(lab.host(name)).some((line) => /is removed/.test(line));
          await waitFor('n1 to have begun', hasBegun, LIMIT_MS);
          await restart(name, 'multicast', 'SIGKILL');
        });
        expect(await lab.lost(held)).toEqual([]);
      });
      expect(NAMES).toContain(answered[0]);
      expect(answered.at(-1)).toBe('shared');
      for (const name of NAMES)
        await kernelHas(name, 'envoy_nlb_multicast', () => [tables(name).join(), arpIgnore(name)]);
    },
    TEST_MS,
  );

  test(
    'multicast to arp: never two answers, and no open connection is lost',
    async () => {
      const { answered } = await watched(async () => {
        await change('arp', (name) => restart(name, 'arp', name === 'n3' ? 'SIGKILL' : 'SIGTERM'));
        expect(await lab.lost(held)).toEqual([]);
      });
      expect(answered[0]).toBe('shared');
      expect(NAMES).toContain(answered.at(-1));
      const ofArp = 'envoy_nlb_address,envoy_nlb_handoff,envoy_nlb_refusal';
      for (const name of NAMES) {
        // The handoff comes with the first view, and is made again where the machine stands still.
        await waitFor(`the tables of mode arp on ${name}`, () => tables(name).join() === ofArp, LIMIT_MS);
        expect(inside(lab.host(name), 'ip', 'maddr')).not.toContain('03:bf');
      }
    },
    TEST_MS,
  );

  test(
    'arp to routed: the last host in mode arp has the addresses, whoever held them before, and hands off; nothing is left of arp',
    async () => {
      await lab.drop(held);
      await watched(() =>
        change('routed', async (name) => {
          if (name === 'n1') {
            await lab.cluster.post(lab.host(name), 'drainstop');
            const isStopped = async () => (await lab.cluster.status(lab.host(name)))?.state === 'stopped';
            await waitFor(`${name} to stop`, isStopped, LIMIT_MS);
            await restart(name, 'routed');
            await waitFor(`${name} to start`, () => lab.cluster.post(lab.host(name), 'start'), LIMIT_MS);
          } else if (name === 'n2') {
            // As a machine that is started anew: nothing but its disk is left.
            await endSidecar(name, 'SIGKILL');
            lab.cluster.signal(lab.host(name), 'SIGKILL');
            inside(lab.host(name), 'nft', 'flush', 'ruleset');
            for (const device of ['eth0', 'lo'])
              inside(lab.host(name), 'ip', 'addr', 'flush', 'to', VIRTUAL_IP, 'dev', device);
            await restart(name, 'routed');
          } else {
            // Whoever held them died and came back in a mode that cannot. Its kernel passes nothing on to hosts of another mode, and
            // its Envoy hands off.
            const isHeld = async () => (await lab.cluster.status(lab.host(name)))?.virtualIp?.isHeldHere === true;
            await waitFor(`${name} to hold the virtual IPs`, isHeld, LIMIT_MS);
            await served(['n1', 'n2']);
            // Without a word: nobody else would take away what it leaves.
            await restart(name, 'routed', 'SIGKILL');
          }
        }),
      );
      for (const name of NAMES)
        await kernelHas(name, '', () => [leftovers(lab.host(name)).join('\n'), arpIgnore(name)]);
      await lab.seesOwners();
      const direct = await Promise.all(
        lab.cluster.hosts.map(({ address }) => lab.clients.connect({ from: '198.18.3.1', to: address, port: SMTP })),
      );
      expect(direct.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
      expect(new Set(direct.map(({ host }) => host)).size).toBe(1);
    },
    TEST_MS,
  );
});
