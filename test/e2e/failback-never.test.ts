/** A host that comes back under `failback: never`: three real sidecars with real Envoys, and who serves their clients. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { greeting } from './harness/client.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster, type SidecarHost } from './sidecar-cluster.js';

const cluster = new SidecarCluster('127.0.82', 3, false, '    failback: never\n');
const [mail1, mail2, mail3] = cluster.hosts as [SidecarHost, SidecarHost, SidecarHost];

beforeAll(() => cluster.start(), 120_000);
afterAll(() => cluster.stop());

/** Who serves each of forty clients that come to this host. */
async function serversAt(entry: SidecarHost): Promise<string[]> {
  const servers: string[] = [];
  for (let i = 1; i <= 40; i++) {
    const line = await greeting(`127.0.83.${i}`, { host: entry.ip, port: PORTS.rule });
    servers.push(/^220 (\w+) /.exec(line)?.[1] ?? line);
  }
  return servers;
}

/** What each host has in force, taken by its Envoy, of all three: `yes`, or why one takes no part. */
async function allSay(wanted: string[]): Promise<void> {
  const said = async (host: SidecarHost) => {
    const { rules, envoy, lostSince } = await host.status();
    const parts = rules[0]!.hosts.map(({ takesPart, absence }) => (takesPart ? 'yes' : String(absence)));
    return envoy.tookConfiguration && lostSince.length === 0 && parts.join() === wanted.join();
  };
  for (const host of cluster.hosts) {
    await waitFor(`${host.name} says ${wanted}`, () => said(host).catch(() => false), 60_000).catch((error) => {
      throw new Error(`${error.message}\n${cluster.logs()}`);
    });
  }
}

/** Sidecar and Envoy are killed, as with the machine. */
async function lose(host: SidecarHost): Promise<void> {
  await host.end('SIGKILL');
  await host.endEnvoy();
}

async function isLost(host: SidecarHost): Promise<void> {
  for (const other of cluster.hosts.filter((each) => each !== host)) {
    await waitFor(`${other.name} has no ${host.name}`, async () => {
      const { rules, envoy, state } = await other.status();
      const part = rules[0]!.hosts.find((each) => each.host === host.name);
      return state === 'converged' && envoy.tookConfiguration && part?.takesPart === false;
    });
  }
}

describe('failback: never', () => {
  it('leaves all clients where they were when a lost host comes back, through every entry host', async () => {
    await lose(mail3);
    await isLost(mail3);
    const before = await serversAt(mail1);
    expect(new Set(before)).toEqual(new Set(['mail1', 'mail2']));
    mail3.run();
    await allSay(['yes', 'yes', 'standby']);
    for (const host of cluster.hosts) await waitFor(`${host.name} sees the others`, () => host.seesOwners());
    for (const entry of cluster.hosts) expect(await serversAt(entry)).toEqual(before);
    await mail3.logged(/port rule smtp: this host is on standby, mail1, mail2 serve its clients \(failback never\)/);
  });

  it('holds while sidecars are started anew, all at once', async () => {
    for (const host of cluster.hosts) await host.end('SIGKILL');
    for (const host of cluster.hosts) host.run();
    await cluster.hosts.reduce((before, host) => before.then(() => isConverged(host)), Promise.resolve());
    await allSay(['yes', 'yes', 'standby']);
  });

  it('lets the host stand in for another one that is stopped, and then is on standby itself: no other client moves', async () => {
    const before = await serversAt(mail1);
    expect(await mail2.ask('POST', '/stop')).toMatchObject({ ok: true });
    await allSay(['yes', 'stopped', 'yes']);
    const after = before.map((server) => (server === 'mail2' ? 'mail3' : server));
    expect(await serversAt(mail1)).toEqual(after);
    const [, , part] = (await mail1.status()).rules[0]!.hosts;
    expect(part).toMatchObject({ takesPart: true, standsInFor: 'mail2' });
    const started = (await mail2.ask('POST', '/start')) as { text: string };
    expect(started.text).toContain(
      'where others serve it is on standby (failback never; nlb start --now gives it its part)',
    );
    await allSay(['yes', 'standby', 'yes']);
  });

  it('gives it a rule with nlb enable, which is on there already', async () => {
    const enabled = (await mail2.ask('POST', `/enable?port=${PORTS.rule}`)) as { text: string };
    expect(enabled.text).toContain('already; it was on standby in smtp and takes its part with the next view');
    await allSay(['yes', 'yes', 'yes']);
  });

  it('gives it its part with nlb start --now', async () => {
    expect(await mail2.ask('POST', '/stop')).toMatchObject({ ok: true });
    await allSay(['yes', 'stopped', 'yes']);
    expect(await mail2.ask('POST', '/start')).toMatchObject({ ok: true });
    await allSay(['yes', 'standby', 'yes']);
    expect(await mail2.ask('POST', '/start?now=true')).toMatchObject({ ok: true });
    await allSay(['yes', 'yes', 'yes']);
    await cluster.converged();
    expect(new Set(await serversAt(mail2))).toEqual(new Set(['mail1', 'mail2', 'mail3']));
  });
});

const isConverged = async (host: SidecarHost): Promise<void> => {
  const asked = () =>
    host.status().then(
      ({ state }) => state === 'converged',
      () => false,
    );
  await waitFor(`${host.name} is converged`, asked, 60_000);
};
