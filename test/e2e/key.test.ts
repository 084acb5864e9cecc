/** Another cluster key for three real sidecars with real Envoys, under load, each host with a key file of its own. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectEnvoyAdmin } from '../../host/edge/envoy-admin.js';
import { nlb, type Said } from '../host/cli-fixture.js';
import { openClient } from './harness/client.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster } from './sidecar-cluster.js';

type Host = SidecarCluster['hosts'][0];

const cluster = new SidecarCluster('127.0.68', 3, true);
const [mail1, mail2, mail3] = cluster.hosts as [Host, Host, Host];

beforeAll(() => cluster.start());
afterAll(() => cluster.stop());

const on = (host: Host, ...args: string[]): Promise<Said> => nlb([...args, '--state-dir', host.stateDir]);
const idsOf = (host: Host) => readFileSync(host.keyPath, 'utf8').match(/^\d+/gm)?.join();
const keysOnDisk = () => cluster.hosts.map((host) => readFileSync(host.keyPath, 'utf8'));
const viewNumbers = async () => {
  const statuses = await Promise.all(cluster.hosts.map((host) => host.status()));
  return statuses.map(({ view }) => view?.number);
};

/** One short connection after another from four clients at a time, each through another host, until it is told to end. */
function load(): { end(): Promise<{ served: number; failed: string[] }> } {
  let ended = false;
  let served = 0;
  const failed: string[] = [];
  const client = async (lane: number) => {
    for (let i = 0; !ended; i++) {
      const from = `127.${20 + lane}.${(i >> 8) & 255}.${i & 255 || 1}`;
      const one = openClient({ from, to: { host: cluster.hosts[i % 3]!.ip, port: PORTS.rule } });
      const line = await one.firstLine();
      if (line.startsWith('220 ')) served += 1;
      else failed.push(line);
      one.close();
    }
  };
  const lanes = [1, 2, 3, 4].map(client);
  return {
    async end() {
      ended = true;
      await Promise.all(lanes);
      return { served, failed };
    },
  };
}

/** Handed off by this host's Envoy to others, over TLS, since it started. */
async function handedOff(host: Host): Promise<number> {
  const admin = connectEnvoyAdmin(`${host.stateDir}/envoy/admin.sock`);
  const stats = await admin.stats('^wasmcustom\\.nlb\\.smtp\\.handed_off\\.');
  admin.close();
  return [...stats.values()].reduce<number>((sum, n) => sum + Number(n), 0);
}

async function fallbacks(): Promise<number> {
  const statuses = await Promise.all(cluster.hosts.map((host) => host.status()));
  return statuses.reduce((sum, { rules }) => sum + rules[0]!.fallbackCount, 0);
}

describe('nlb key rotate', () => {
  it('gives all hosts another key under load: no connection fails or is cut, and no view changes', async () => {
    const held = Array.from({ length: 60 }, (_, i) =>
      openClient({ from: `127.9.0.${i + 1}`, to: { host: cluster.hosts[i % 3]!.ip, port: PORTS.rule } }),
    );
    await Promise.all(held.map((client) => client.firstLine()));
    const [before, viewsBefore, fallbacksBefore] = [keysOnDisk(), await viewNumbers(), await fallbacks()];
    const running = load();
    expect(await on(mail2, 'key', 'rotate')).toEqual({
      code: 0,
      out: 'Key 2 is the cluster key on mail1, mail2, mail3\n',
      err: '',
    });
    const handedBefore = await handedOff(mail1);
    await waitFor('handoffs with the new key', async () => (await handedOff(mail1)) > handedBefore + 20);
    const { served, failed } = await running.end();
    console.log(`key rotation under load: ${served} connections served, ${failed.length} failed`);
    expect(failed).toEqual([]);
    expect(served).toBeGreaterThan(100);
    await Promise.all(held.map((client) => client.echo('NOOP\r\n')));
    for (const client of held) client.close();
    expect(await viewNumbers()).toEqual(viewsBefore);
    expect(await fallbacks()).toBe(fallbacksBefore);
    expect(cluster.hosts.map(idsOf)).toEqual(['2', '2', '2']);
    expect(new Set(keysOnDisk()).size).toBe(1);
    expect(keysOnDisk()[0]).not.toBe(before[0]);
  });

  it('lists the keys of all hosts by id and fingerprint', async () => {
    const { code, out } = await on(mail1, 'key', 'list');
    expect(code).toBe(0);
    expect(out).toMatch(/^mail1: seals with key 2 \([0-9a-f]{16}\)\nmail2: .*\nmail3: .*\n$/);
    expect(out).not.toContain(readFileSync(mail1.keyPath, 'utf8').trim().split(' ').at(-1));
  });

  it('goes on where it was interrupted, on whichever host, and takes a begun one back', async () => {
    const added = `${readFileSync(mail2.keyPath, 'utf8')}3 ${'7c'.repeat(32)}\n`;
    writeFileSync(mail2.keyPath, added);
    await waitFor('mail2 to read its file', async () => (await on(mail1, 'key', 'list')).out.includes('key 3'));
    expect(await on(mail1, 'key', 'list')).toMatchObject({ code: 1 });
    const elsewhere = await on(mail1, 'key', 'rotate');
    expect(elsewhere).toMatchObject({ code: 4, err: expect.stringContaining('nlb key rotate --host NAME') });
    expect(await on(mail1, 'key', 'rotate', '--back')).toMatchObject({
      code: 0,
      out: 'Key 3 is taken back: mail2 forgot it\n',
    });
    writeFileSync(mail2.keyPath, added);
    await waitFor('mail2 to read its file', async () => (await on(mail1, 'key', 'list')).out.includes('key 3'));
    expect(await on(mail1, 'key', 'rotate', '--host', 'mail2')).toMatchObject({ code: 0 });
    expect(cluster.hosts.map(idsOf)).toEqual(['3', '3', '3']);
    expect((await Promise.all(cluster.hosts.map((host) => host.status()))).map(({ state }) => state)).toEqual([
      'converged',
      'converged',
      'converged',
    ]);
  });

  it('names a host that is away and changes nothing; left behind, it is back once it has the key file', async () => {
    await mail3.end('SIGKILL');
    const refused = await on(mail1, 'key', 'rotate');
    expect(refused).toEqual({
      code: 4,
      out: '',
      err: 'nlb key: Cannot change the cluster key: host mail3 does not answer: nobody listens there; its sidecar does not run. Every host has to take part; --without mail3 leaves it behind, and then the key file has to be copied to it\n',
    });
    expect(cluster.hosts.map(idsOf)).toEqual(['3', '3', '3']);
    expect(await on(mail1, 'key', 'rotate', '--without', 'mail3')).toEqual({
      code: 0,
      out: `Key 4 is the cluster key on mail1, mail2. mail3 was left behind: copy ${mail1.keyPath} of mail1 to it (scp -p; mode 0600); its sidecar reads it by itself\n`,
      err: '',
    });
    mail3.run();
    const named = await waitFor('mail1 to name mail3', async () => {
      const { problems } = await mail1.status();
      return problems.find(({ text }) => text.includes('cluster key 3, which is not known here'))?.text;
    });
    expect(named).toContain('127.0.68.3');
    copyFileSync(mail1.keyPath, mail3.keyPath);
    await cluster.converged();
    expect(await on(mail3, 'key', 'list')).toMatchObject({ code: 0 });
  });
});

describe('the host that was asked dies in the midst of a change', () => {
  it('leaves hosts that understand each other, and the change is ended on any of them', async () => {
    const running = load();
    const asked = on(mail1, 'key', 'rotate').catch(() => null);
    // Every host has two keys and some seal with the new one: the widest apart they ever are.
    await waitFor('mail1 to seal with the new key', () => idsOf(mail1)?.startsWith('5,'));
    await mail1.end('SIGKILL');
    await asked;
    const left = await on(mail2, 'key', 'list');
    expect(left.out).toContain('key 5');
    mail1.run();
    await cluster.converged();
    expect(await on(mail1, 'key', 'rotate')).toMatchObject({ code: 0 });
    expect(cluster.hosts.map(idsOf)).toEqual(['5', '5', '5']);
    const { served, failed } = await running.end();
    console.log(`key rotation interrupted under load: ${served} connections served, ${failed.length} failed`);
    expect(failed).toEqual([]);
  });
});
