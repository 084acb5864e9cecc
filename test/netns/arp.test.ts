/**
 * The modes arp and multicast as their users meet them: SMTP and HTTP on one address, and hosts that are killed, stopped, drained,
 * cut off, split and brought back under held sessions and running downloads, the holder of the virtual IP among them.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../e2e/harness/wait.js';
import { ArpLab, asked, type Held, HTTP, SMTP } from './arp-lab.js';
import type { ClusterHost } from './cluster.js';
import { leftovers } from './holder-lab.js';
import { whyNoNetwork } from './network.js';
import type { Greeting } from './sessions.js';
import { type SlowRemovals, slowRemovals } from './slow-removals.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: the modes arp and multicast: ${why}`);

const named = (greetings: Greeting[]) => greetings.map(({ host, error }) => host ?? error);
const ALL = ['n1', 'n2', 'n3', 'n4'];

describe.skipIf(why !== null).each(['arp', 'multicast'] as const)('mode %s', (mode) => {
  let lab: ArpLab;
  let slow: SlowRemovals;
  let held: Held[] = [];
  let downloads: Held[] = [];
  beforeAll(async () => {
    slow = slowRemovals();
    lab = await ArpLab.start(ALL.length, mode, { prefix: slow.prefix });
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') console.log(lab.logs());
    await lab.drop([...held, ...downloads]);
    [held, downloads] = [[], []];
  });
  afterAll(() => {
    lab?.remove();
    slow?.remove();
  });

  /** 100 sessions, and one download from each host. */
  async function work(): Promise<void> {
    await kernelsDecide(ALL);
    const all = await lab.hold(100 + 8 * ALL.length);
    expect(all.filter(({ error }) => error !== undefined)).toEqual([]);
    downloads = ALL.map((name) => all.find(({ host }) => host === name)!);
    held = all.filter((one) => !downloads.includes(one));
    await Promise.all(downloads.map(({ session }) => lab.clients.bulk(session)));
  }

  /** Every session but those that these hosts served answers, and every such download goes on. */
  async function expectKept(dead: string[] = []): Promise<void> {
    const kept = (one: Held) => !dead.includes(one.host!);
    expect((await lab.lost(held.filter(kept))).map(({ from, host }) => `${from} at ${host}`)).toEqual([]);
    for (const { session, host } of downloads.filter(kept)) {
      const { bytes } = await lab.clients.bytes(session);
      const more = async () => {
        const now = await lab.clients.bytes(session);
        return now.ended === null ? now.bytes > bytes || null : now.ended;
      };
      expect(await waitFor(`the download from ${host} to go on`, more)).toBe(true);
    }
  }

  /** New connections of 100 clients go to the owners that the model names among these hosts. */
  async function expectNew(names: string[]): Promise<void> {
    const all = asked(100, SMTP);
    const owners = lab.modelOwners(names, all);
    // Envoy has the view, the kernel a moment later.
    let found: (string | undefined)[] = [];
    const isRight = async () => {
      found = named(await lab.visit(all));
      return found.join() === owners.join() || null;
    };
    await waitFor('new connections to reach their owners', isRight).catch(() => {});
    expect(found).toEqual(owners);
  }

  /** New connections of 100 clients are served, by whomever; kernels know of a view a moment later. */
  async function expectServed(): Promise<void> {
    let failed: string[] = [];
    const isRight = async () => {
      failed = (await lab.visit(asked(100, SMTP))).flatMap(({ error }) => error ?? []);
      return failed.length === 0;
    };
    await waitFor('new connections to be served', isRight).catch(() => {});
    expect(failed).toEqual([]);
  }

  /**
   * Kernels have the view of Envoys, in which these hosts take part: a new connection reaches its owner and no Envoy passes it on. One
   * that did would cut it when its own host dies.
   */
  async function kernelsDecide(names: string[]): Promise<void> {
    const all = asked(100, SMTP);
    const isByKernels = async () => {
      const before = await lab.handedOffByEnvoys(names);
      await lab.visit(all);
      return (await lab.handedOffByEnvoys(names)) === before;
    };
    await waitFor('the kernels to pass on what is new', isByKernels);
    await expectNew(names);
  }

  /** The machine of a host dies under what is held: only what it served itself is lost. */
  async function killWhole(host: ClusterHost): Promise<void> {
    lab.kill(host);
    await expectKept([host.name]);
    await lab.agreed(without(host.name));
    await expectNew(without(host.name));
    await expectKept([host.name]);
  }

  const without = (...names: string[]) => ALL.filter((name) => !names.includes(name));
  const start = (host: ClusterHost) => lab.cluster.post(host, 'start');

  it('SMTP and HTTP of 500 clients reach the owner that the model names, which sees the client itself', async () => {
    // Every kernel decides by the view.
    await expectNew(ALL);
    const smtp = asked(500, SMTP);
    const model = lab.modelOwners(ALL, smtp);
    expect(new Set(model).size).toBe(4);
    const greetings = await lab.visit(smtp);
    expect(named(greetings)).toEqual(model);
    expect(greetings.every(({ seen }, i) => seen === smtp[i]!.from)).toBe(true);
    const web = await lab.visit(asked(500, HTTP), true);
    expect(named(web)).toEqual(model);
    expect(web.every(({ seen }, i) => seen === smtp[i]!.from)).toBe(true);
  });

  it('a drained host keeps its sessions, and so does everybody when it is back', async () => {
    await work();
    await lab.cluster.post(lab.host('n2'), 'drainstop');
    await lab.agreed(without('n2'));
    await expectNew(without('n2'));
    await expectKept();
    await start(lab.host('n2'));
    await lab.whole();
    await expectNew(ALL);
    await expectKept();
  });

  it('the holder stops: only what it served itself is lost, and a new holder finds all others', async () => {
    await work();
    const holder = await lab.holder();
    await lab.cluster.post(holder, 'stop');
    await lab.agreed(without(holder.name));
    await expectKept([holder.name]);
    await expectNew(without(holder.name));
    await start(holder);
    await lab.whole();
    await expectKept([holder.name]);
  });

  // In mode multicast nobody holds the addresses.
  if (mode === 'arp')
    it('the holder stops while its successor stands still and its own addresses stay for seconds: nobody is reset', async () => {
      await work();
      const holder = await lab.holder();
      const [next] = without(holder.name).map((name) => lab.host(name)) as [ClusterHost];
      next.sidecar.kill('SIGSTOP');
      slow.begin(holder);
      await lab.cluster.post(holder, 'stop');
      await expectKept([holder.name]);
      await waitFor('the addresses to be away', () => leftovers(holder).length === 0);
      slow.end();
      next.sidecar.kill('SIGCONT');
      await lab.agreed(without(holder.name));
      await expectKept([holder.name]);
      await start(holder);
      await lab.whole();
      await expectKept([holder.name]);
    });

  it('a host that was cut off, and a cluster that was split, go on with all sessions when they are healed', async () => {
    await work();
    const { network } = lab.cluster;
    const [n1, n2, n3, n4] = ALL.map((name) => lab.host(name)) as [ClusterHost, ClusterHost, ClusterHost, ClusterHost];
    network.setSilent(n3, true);
    await lab.agreed(without('n3'));
    await expectKept(['n3']);
    network.setSilent(n3, false);
    await lab.whole();
    await expectKept();
    const cut = (isCut: boolean) => {
      for (const one of [n1, n2]) for (const other of [n3, n4]) network.setCut(one, other, isCut);
    };
    cut(true);
    await Promise.all([lab.agreed(['n1', 'n2']), lab.agreed(['n3', 'n4'])]);
    // Each half serves whoever reaches it. In mode multicast both answer everybody (docs/decisions/0021, Known limits).
    if (mode === 'arp') await expectServed();
    cut(false);
    await lab.whole();
    await expectKept();
  });

  it('the holder is killed whole under downloads, and comes back: only what it served itself is lost', async () => {
    await work();
    const holder = await lab.holder();
    await killWhole(holder);
    await lab.revive(holder);
    await lab.whole();
    await expectNew(ALL);
    await expectKept([holder.name]);
  });

  it('the holder is killed whole, with a host that came back meanwhile: only what the dead host served is lost, and after a stop nothing is left', async () => {
    await lab.cluster.post(lab.host('n4'), 'stop');
    const holder = await lab.holder();
    await waitFor('a view without n4', async () => {
      const status = await lab.cluster.status(holder);
      return status?.hosts.find(({ name }) => name === 'n4')?.state === 'stopped' || null;
    });
    await kernelsDecide(without('n4'));
    const all = await lab.hold(100);
    await start(lab.host('n4'));
    await lab.whole();
    // A quarter of these is n4's by now, and stays where it is.
    held = all;
    await killWhole(holder);
    await lab.revive(holder);
    await lab.whole();
    const { hosts } = lab.cluster;
    for (const host of hosts) expect(leftovers(host).length).toBeGreaterThan(0);
    for (const host of hosts) await lab.cluster.post(host, 'stop');
    const left = () => hosts.flatMap((host) => leftovers(host));
    await waitFor('nothing of ours to be left in the kernels', () => left().length === 0).catch(() => {});
    expect(left()).toEqual([]);
  });
});
