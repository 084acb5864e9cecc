import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../e2e/harness/wait.js';
import { inside } from './inside.js';
import { clientAddresses, KernelLab, VIRTUAL_IPS } from './kernel-lab.js';
import { whyNoNetwork } from './network.js';
import type { Greeting } from './sessions.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: handoff in the kernel: ${why}`);

const CLIENTS = 100;
const [IPV4, IPV6] = VIRTUAL_IPS;
const familyOf = (address: string) => (address.includes(':') ? 'ip6' : 'ip');

/** Held sessions of every client of both families, with the host that greeted each. */
type Held = Greeting & { session: number; from: string; to: string };

async function holdAll(lab: KernelLab, port: number): Promise<Held[]> {
  const all = VIRTUAL_IPS.flatMap((to) => clientAddresses(familyOf(to), CLIENTS).map((from) => ({ from, to, port })));
  return Promise.all(all.map(async (asked) => ({ ...(await lab.clients.hold(asked)), ...asked })));
}

/** Sessions that do not answer any more. */
async function lost(lab: KernelLab, held: Held[], wait?: number): Promise<Held[]> {
  const alive = await Promise.all(held.map(({ session }) => lab.clients.isAlive(session, wait)));
  return held.filter((_, i) => !alive[i]);
}

const named = (greetings: Greeting[]) => greetings.map(({ host, error }) => host ?? error);

describe.skipIf(why !== null)('handoff in the kernel', () => {
  let lab: KernelLab;
  beforeAll(async () => {
    lab = await KernelLab.start({
      hostCount: 3,
      ports: [25, 80, 110, 143, 993, 5000],
      rules: [
        { ports: [25, 25], mode: 'multiple' },
        { ports: [80, 80], mode: 'multiple', affinity: 'none' },
        { ports: [110, 110], mode: 'single', parts: [3, 1, 2] },
        { ports: [143, 143], mode: 'disabled' },
        { ports: [143, 143], mode: 'single', virtualIp: IPV4, parts: [2, 3, 1] },
        { ports: [990, 999], mode: 'multiple', affinity: 'classC', parts: [0, 20, 90] },
      ],
    });
    await Promise.all(lab.handoffs.map((handoff) => handoff.open()));
    await lab.decideBy(lab.view());
    expect(lab.problems).toEqual([]);
  });
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') console.log(lab.problems);
  });
  afterAll(async () => {
    await lab?.remove();
  });

  /** What becomes of one connection of each client to each virtual IP. */
  async function visit(port: number, count = CLIENTS) {
    const asked = VIRTUAL_IPS.flatMap((to) => clientAddresses(familyOf(to), count).map((from) => ({ from, to, port })));
    const greetings = await Promise.all(asked.map((one) => lab.clients.connect(one)));
    return asked.map((one, i) => ({ ...one, ...greetings[i]! }));
  }

  it.each([25, 80, 993])(
    'brings each client of port %i to the owner that the filter names, which sees the client itself',
    async (port) => {
      const view = lab.view();
      await lab.decideBy(view);
      const visits = await visit(port);
      const expected = visits.map(({ from, to, seenPort }) => lab.ownerOf(view, from, seenPort ?? 0, to, port));
      expect(named(visits)).toEqual(expected);
      expect(visits.every(({ from, seen }) => seen === from)).toBe(true);
      expect(new Set(expected).size).toBe(port === 993 ? 2 : 3);
    },
  );

  it('remembers a connection that began at a host as long as its packets come, whatever port its socket has', async () => {
    await lab.decideBy(lab.view());
    for (const to of VIRTUAL_IPS) {
      const [from] = clientAddresses(familyOf(to), 1) as [string];
      const { session, host, seenPort } = await lab.clients.hold({ from, to, port: 25 });
      const number = Number(host!.slice(1));
      const set = `own_${familyOf(to)}`;
      /** What is left of the 150 s. */
      const leftS = () => {
        const listed = lab.nft(number, 'list', 'set', 'netdev', 'envoy_nlb_handoff_lab_example', set);
        const element = listed.split(/[{},]/).find((each) => each.includes(`${from} . ${seenPort} `));
        const [, minutes = 0, seconds = 0] = /expires (?:(\d+)m)?(?:(\d+)s)?/.exec(element ?? '') ?? [];
        return Number(minutes) * 60 + Number(seconds);
      };
      const before = await waitFor('some of its time to pass', () => (leftS() <= 147 ? leftS() : null));
      expect(before).toBeGreaterThan(0);
      expect(await lab.clients.isAlive(session)).toBe(true);
      expect(leftS()).toBeGreaterThan(before);
      await lab.clients.drop(session);
    }
  });

  it('gives a single-host rule to one host, and what no rule covers to the default host', async () => {
    expect(new Set(named(await visit(110, 10)))).toEqual(new Set(['n2']));
    expect(new Set(named(await visit(5000, 10)))).toEqual(new Set(['n1']));
    await lab.decideBy(lab.view({ there: [2, 3] }));
    expect(new Set(named(await visit(5000, 10)))).toEqual(new Set(['n2']));
    await lab.decideBy(lab.view());
  });

  it('drops and counts what a disabled rule covers; a rule of one virtual IP goes before it', async () => {
    const before = (await lab.handoffs[0]!.counters()).refused_disabled;
    expect(named([await lab.clients.connect({ from: '198.18.1.1', to: IPV4, port: 143 })])).toEqual(['n3']);
    const refused = await lab.clients.connect({ from: 'fd98::1', to: IPV6, port: 143, wait: 0.5 });
    expect(refused.error).toBe('TimeoutError');
    expect((await lab.handoffs[0]!.counters()).refused_disabled).toBeGreaterThan(before);
  });

  it('keeps open connections where they are while views change, and takes new ones by the new view', async () => {
    await lab.decideBy(lab.view({ draining: [3] }));
    const held = await holdAll(lab, 25);
    expect(new Set(named(held))).toEqual(new Set(['n1', 'n2']));
    const all = lab.view();
    await lab.decideBy(all);
    expect(await lost(lab, held)).toEqual([]);
    const visits = await visit(25);
    expect(named(visits)).toEqual(visits.map(({ from, to }) => lab.ownerOf(all, from, 0, to, 25)));
    await lab.decideBy(lab.view({ draining: [1] }));
    expect(await lost(lab, held)).toEqual([]);
    for (const { session } of held) await lab.clients.drop(session);
    await lab.decideBy(all);
  });

  it('a new holder, who knows no flow, keeps all connections but those of the dead, also those that an earlier view had moved', async () => {
    await lab.decideBy(lab.view({ draining: [3] }));
    const held = await holdAll(lab, 25);
    await lab.decideBy(lab.view());
    const moved = held.filter(({ from, to, host }) => lab.ownerOf(lab.view(), from, 0, to, 25) !== host);
    expect(moved.length).toBeGreaterThan(20);
    lab.setHolder(3);
    const view = lab.view({ lostSince: [1] });
    await lab.decideBy(view, [2, 3]);
    const survivors = held.filter(({ host }) => host !== 'n1');
    expect(await lost(lab, survivors)).toEqual([]);
    expect((await lab.handoffs[2]!.counters()).sought).toBeGreaterThan(0);
    // Host 1 was merely cut off: it has its connections still, and takes them up when it is back in the view.
    await lab.decideBy(lab.view());
    expect(await lost(lab, held)).toEqual([]);
    for (const { session } of held) await lab.clients.drop(session);
    lab.setHolder(1);
    await lab.decideBy(lab.view());
  });

  it('answers nothing to a packet of a connection that nobody knows', async () => {
    const before = await Promise.all(lab.handoffs.map((handoff) => handoff.counters()));
    const program = fileURLToPath(new URL('stray.py', import.meta.url));
    expect(inside(lab.network.client, 'python3', program, IPV4, IPV6, '25', '30').trim()).toBe('0 answers');
    const after = await Promise.all(lab.handoffs.map((handoff) => handoff.counters()));
    const sum = (all: typeof after, name: 'sought' | 'not_found') => all.reduce((total, one) => total + one[name], 0);
    expect(sum(after, 'not_found') - sum(before, 'not_found')).toBe(60);
    // Each goes round three hosts and no further.
    expect(sum(after, 'sought') - sum(before, 'sought')).toBeLessThanOrEqual(60 * 3);
  });

  it('gives every host a copy of what a router says about a connection of the virtual IP', async () => {
    const counts = () =>
      [1, 2, 3].map((number) => {
        const text = inside(lab.host(number), 'cat', '/proc/net/snmp', '/proc/net/snmp6');
        const [names, values] = text.split('\n').filter((line) => line.startsWith('Icmp: ')) as [string, string];
        const place = names.split(' ').indexOf('InDestUnreachs');
        const tooBig = /^Icmp6InPktTooBigs\s+(\d+)/m.exec(text)![1];
        return [Number(values.split(' ')[place]), Number(tooBig)];
      });
    const before = counts();
    const program = fileURLToPath(new URL('router-says.py', import.meta.url));
    inside(lab.network.client, 'python3', program, IPV4, IPV6);
    const seen = () => counts().map(([four, six], i) => [four! - before[i]![0]!, six! - before[i]![1]!]);
    await waitFor(
      'every host to hear it',
      () =>
        seen()
          .flat()
          .every((count) => count > 0) || null,
    ).catch(() => {});
    expect(seen()).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });

  it('writes a table that nft itself can list and load again', () => {
    const text = lab.nft(1, 'list', 'ruleset');
    expect(text).toContain('table netdev envoy_nlb_handoff_lab_example');
    execFileSync('ip', ['netns', 'exec', lab.host(1).namespace, 'nft', '-c', '-f', '-'], { input: text });
  });

  it('without its lease takes new connections itself, and leaves open ones with their hosts', async () => {
    const held = await holdAll(lab, 25);
    lab.nft(1, 'flush', 'set', 'netdev', 'envoy_nlb_handoff_lab_example', 'lease');
    expect(new Set(named(await visit(25, 20)))).toEqual(new Set(['n1']));
    expect(await lost(lab, held)).toEqual([]);
    await lab.decideBy(lab.view());
    expect(new Set(named(await visit(25, 20))).size).toBe(3);
    for (const { session } of held) await lab.clients.drop(session);
  });

  it('a restarted sidecar goes on with the flows, and a table that somebody flushed is made again', async () => {
    await lab.decideBy(lab.view({ draining: [3] }));
    const held = await holdAll(lab, 25);
    await lab.decideBy(lab.view());
    lab.handoffs[0]!.leave();
    const again = lab.handoffOf(lab.host(1));
    lab.handoffs[0] = again;
    await again.open();
    await lab.decideBy(lab.view(), [1]);
    expect(lab.problems).toEqual([]);
    const sought = (await again.counters()).sought;
    expect(await lost(lab, held)).toEqual([]);
    expect((await again.counters()).sought).toBe(sought);

    lab.nft(1, 'flush', 'ruleset');
    await lab.decideBy(lab.view(), [1]);
    await lab.decideBy(lab.view(), [1]);
    expect(await lost(lab, held)).toEqual([]);
    for (const { session } of held) await lab.clients.drop(session);
  });

  it('leaves nothing in the kernel', async () => {
    await Promise.all(lab.handoffs.map((handoff) => handoff.close()));
    for (const number of [1, 2, 3]) expect(lab.nft(number, 'list', 'tables')).not.toContain('envoy_nlb');
  });
});
