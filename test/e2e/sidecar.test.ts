/** Three sidecars with their Envoys and services on loopback: what outlives what, and what comes back by itself. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { greeting, openClient, type TestClient } from './harness/client.js';
import { sleep, waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster, type SidecarHost } from './sidecar-cluster.js';

const cluster = new SidecarCluster('127.0.53', 3);
const [mail1, mail2, mail3] = cluster.hosts as [SidecarHost, SidecarHost, SidecarHost];

beforeAll(() => cluster.start(), 120_000);
afterAll(() => cluster.stop());

const at = (host: SidecarHost) => ({ host: host.ip, port: PORTS.rule });

/** The name in `220 mail2 client=...`. */
async function ownerOf(client: string, entry: SidecarHost): Promise<string> {
  const line = await greeting(client, at(entry));
  return /^220 (\w+) client=([\d.]+):/.exec(line)?.[1] ?? line;
}

async function openAll(entry: SidecarHost, count: number): Promise<TestClient[]> {
  const clients = Array.from({ length: count }, (_, i) => openClient({ from: `127.0.54.${i + 1}`, to: at(entry) }));
  for (const client of clients) expect(await client.firstLine()).toMatch(/^220 mail\d client=127\.0\.54\./);
  return clients;
}

describe('a cluster of sidecars', () => {
  it('gives a client one owner through every entry host, and shows the shares it expects', async () => {
    await cluster.converged();
    for (let i = 1; i <= 40; i++) {
      const owners = await Promise.all(cluster.hosts.map((entry) => ownerOf(`127.0.55.${i}`, entry)));
      expect(new Set(owners).size, `127.0.55.${i}: ${owners}`).toBe(1);
    }
    const shares = await waitFor('shares', async () => {
      const [rule] = (await mail1.status()).rules;
      return rule?.hosts.every(({ expectedShare }) => expectedShare > 0.32 && expectedShare < 0.35) && rule;
    });
    await waitFor('counts', async () => {
      const [rule] = (await mail1.status()).rules;
      return rule!.hosts.reduce((sum, host) => sum + host.connectionCount, 0) >= 40;
    });
    expect(shares.fallbackCount).toBe(0);
  });

  it('leaves Envoy serving when a sidecar is killed, and its restart changes nothing under 100 open connections', async () => {
    const number = await cluster.converged();
    const pid = mail2.envoyPid;
    const clients = await openAll(mail2, 100);
    await mail2.end('SIGKILL');
    for (const client of clients) await client.echo('without a sidecar');
    expect(await ownerOf('127.0.55.200', mail2)).toMatch(/^mail\d$/);
    mail2.run();
    expect(await cluster.converged(), cluster.logs()).toBe(number);
    expect(mail2.envoyPid).toBe(pid);
    for (const client of clients) await client.echo('after its restart');
    for (const client of clients) client.close();
  });

  it('mends a killed Envoy, which costs no new connection through the other hosts', async () => {
    await cluster.converged();
    const pid = mail3.envoyPid!;
    process.kill(pid, 'SIGKILL');
    const lines: string[] = [];
    for (let i = 1; i <= 60; i++) lines.push(await ownerOf(`127.0.56.${i}`, i % 2 ? mail1 : mail2));
    expect(lines.filter((line) => !/^mail\d$/.test(line))).toEqual([]);
    await waitFor('another Envoy', () => mail3.envoyPid !== null && mail3.envoyPid !== pid);
    await cluster.converged();
    expect(await ownerOf('127.0.56.1', mail3)).toMatch(/^mail\d$/);
  });

  it('takes a host whose service is down out of the rule, and back in by itself', async () => {
    await cluster.converged();
    await mail1.service!.refuse();
    await waitFor('mail1 out of the rule everywhere', async () => {
      const statuses = await Promise.all(cluster.hosts.map((host) => host.status()));
      return statuses.every(
        (status) => status.rules[0]!.hosts[0]!.absence === 'serviceDown' && status.envoy.tookConfiguration,
      );
    });
    for (let i = 1; i <= 20; i++) expect(await ownerOf(`127.0.57.${i}`, mail1)).toMatch(/^mail[23]$/);
    const said = (await mail1.status()).problems.map(({ text }) => text);
    expect(said).toContainEqual(expect.stringMatching(/port rule smtp .*ECONNREFUSED/));
    await mail1.service!.accept();
    await cluster.converged();
  });

  it('counts garbage at the heartbeat port and goes on', async () => {
    const number = await cluster.converged();
    const socket = createSocket('udp4');
    for (const bytes of ['', 'x', 'NLB1'.repeat(300), '\0'.repeat(200)]) socket.send(bytes, PORTS.heartbeat, mail1.ip);
    const dropped = await waitFor('drops', async () => {
      const { droppedPackets } = await mail1.status();
      const count = (droppedPackets.length ?? 0) + (droppedPackets.magic ?? 0);
      return count >= 3 && droppedPackets;
    });
    socket.close();
    expect(dropped).toBeTruthy();
    expect(await cluster.converged()).toBe(number);
  });

  it('goes on where it may open no more files, says so, keeps its part, and mends itself', async () => {
    const number = await cluster.converged();
    const pid = String(mail1.sidecar!.pid);
    const allowed = execFileSync('prlimit', ['--pid', pid, '--nofile', '--output', 'SOFT', '--noheadings'], {
      encoding: 'utf8',
    });
    const isSaid = async () =>
      (await mail1.status()).problems.some(({ text }) => text.includes('files that this sidecar may'));
    const few = readdirSync(`/proc/${pid}/fd`).length + 4;
    execFileSync('prlimit', ['--pid', pid, `--nofile=${few}:`]);
    const crowd = Array.from({ length: 60 }, () => connect({ host: mail1.ip, port: PORTS.page }).on('error', () => {}));
    try {
      await waitFor('it says so', () => mail1.log().includes('files that this sidecar may have open are in use'));
      // Longer than a service or an Envoy may be silent: neither was asked, so neither is taken for dead.
      await sleep(3500);
      expect(await ownerOf('127.0.55.201', mail1)).toMatch(/^mail\d$/);
    } finally {
      for (const socket of crowd) socket.destroy();
      execFileSync('prlimit', ['--pid', pid, `--nofile=${allowed.trim()}:`]);
    }
    await waitFor('it is mended', async () => !(await isSaid()));
    expect(mail1.sidecar!.exitCode, mail1.log()).toBeNull();
    expect(await cluster.converged(), cluster.logs()).toBe(number);
  });

  it('lets open connections finish at drainstop, then stops; start brings it back', async () => {
    await cluster.converged();
    const clients = await openAll(mail3, 10);
    expect(await mail3.ask('POST', '/drainstop')).toMatchObject({ ok: true });
    await waitFor('a view in which mail3 drains', async () => {
      const { hosts, rules, envoy } = await mail3.status();
      return hosts[2]!.state === 'draining' && rules[0]!.hosts[2]!.absence === 'draining' && envoy.tookConfiguration;
    });
    for (const client of clients) await client.echo('while it drains');
    expect(await ownerOf('127.0.55.9', mail3)).toMatch(/^mail[12]$/);
    for (const client of clients) client.close();
    await waitFor('mail3 is stopped', async () => (await mail1.status()).hosts[2]!.state === 'stopped');
    await waitFor('its Envoy has ended', () => mail3.envoyPid === null);
    expect(await mail3.ask('GET', '/entry')).toMatchObject({ isIn: false, reason: 'this host is stopped' });
    expect(await mail3.ask('POST', '/start')).toMatchObject({ ok: true });
    await cluster.converged();
    expect(await ownerOf('127.0.55.9', mail3)).toMatch(/^mail\d$/);
  });

  it('keeps a stopped host stopped over a restart of its sidecar', async () => {
    await cluster.converged();
    expect(await mail2.ask('POST', '/stop')).toMatchObject({ ok: true });
    await waitFor('its Envoy has ended', () => mail2.envoyPid === null);
    await mail2.end('SIGTERM');
    expect(mail2.sidecar!.exitCode).toBe(0);
    mail2.run();
    await waitFor('mail2 says that it is stopped', async () => (await mail2.status()).hosts[1]!.state === 'stopped');
    expect(mail2.envoyPid).toBeNull();
    await mail2.ask('POST', '/start');
    await cluster.converged();
  });

  it('ends the Envoy of a stopped host whose sidecar was killed before it had done so', async () => {
    await cluster.converged();
    await mail2.end('SIGKILL');
    const path = join(mail2.stateDir, 'state.json');
    const state = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...state, hostState: 'stopped' }));
    mail2.run();
    await waitFor('its Envoy has ended', () => mail2.envoyPid === null);
    await waitFor('mail1 sees it stopped', async () => (await mail1.status()).hosts[1]!.state === 'stopped');
    await mail2.ask('POST', '/start');
    await cluster.converged();
  });

  it('puts a changed file in force once all hosts have it, without touching a connection', async () => {
    await cluster.converged();
    const before = (await mail1.status()).file.fingerprint;
    const clients = await openAll(mail1, 20);
    cluster.writeFile('{mail1: 10, mail2: 20, mail3: 30}');
    expect(await mail1.ask('POST', '/reload')).toMatchObject({ ok: true });
    await waitFor('it is offered', async () => (await mail1.status()).file.offered !== null);
    expect((await mail1.status()).file.fingerprint).toBe(before);
    for (const host of [mail2, mail3]) expect(await host.ask('POST', '/reload')).toMatchObject({ ok: true });
    await waitFor('weights in force everywhere', async () => {
      const statuses = await Promise.all(cluster.hosts.map((host) => host.status()));
      return statuses.every((status) => status.rules[0]!.hosts.map((host) => host.loadWeight).join() === '10,20,30');
    });
    await cluster.converged();
    for (const client of clients) await client.echo('after the new file');
    for (const client of clients) client.close();
  });
});
