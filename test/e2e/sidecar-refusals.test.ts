/** What `nlb run` says and returns when it cannot run here; nothing is left running or locked after it. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../host/edge/clock.js';
import { createLog } from '../../host/edge/log.js';
import { openStateDirectory } from '../../host/edge/state-directory.js';
import { runSidecar } from '../../host/run.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster } from './sidecar-cluster.js';

let cluster: SidecarCluster;
const environment = { ...process.env };

beforeEach(() => {
  cluster = new SidecarCluster('127.0.58', 2);
});
afterEach(() => {
  process.env = { ...environment };
  rmSync(cluster.directory, { recursive: true, force: true });
});

/** @returns the exit code and everything that was said */
async function run(host: string | null = 'mail1'): Promise<{ code: number; said: string }> {
  const lines: string[] = [];
  const log = createLog(systemClock, (line) => lines.push(line));
  const stateDirectory = cluster.hosts[0]!.stateDir;
  const code = await runSidecar({ clusterFilePath: cluster.filePath, host, stateDirectory, log });
  return { code, said: lines.join('') };
}

describe('nlb run', () => {
  it('names every mistake of the file with its line', async () => {
    writeFileSync(cluster.filePath, 'cluster: x\nmode: routd\n');
    const { code, said } = await run();
    expect(code).toBe(1);
    expect(said).toMatch(/cluster\.yaml:2:\d+: mode is .*routd/);
  });

  it('wants --host where the machine has several dedicated addresses', async () => {
    expect(await run(null)).toMatchObject({ code: 4, said: expect.stringContaining('choose one with --host') });
  });

  it('refuses a key that others may read', async () => {
    chmodSync(`${cluster.directory}/cluster.key`, 0o644);
    expect(await run()).toMatchObject({ code: 4, said: expect.stringContaining('has mode 0644') });
  });

  it('says where it looked when there is no Envoy', async () => {
    process.env.ENVOY_NLB_CACHE = '/nowhere';
    process.env.PATH = '/usr/bin:/bin';
    delete process.env.ENVOY_BIN;
    expect(await run()).toMatchObject({
      code: 4,
      said: expect.stringMatching(/No Envoy found: .*\/nowhere\/envoy-1\.40\.0/),
    });
  });

  it('names who has a rule port, and leaves the state directory unlocked', async () => {
    const taken = createServer().listen(PORTS.rule, '127.0.58.1');
    await waitFor('the port is taken', () => taken.listening);
    const { code, said } = await run();
    taken.close();
    expect(code).toBe(4);
    expect(said).toContain(`127.0.58.1 TCP port ${PORTS.rule} is taken by`);
    expect(said).toContain(`(process ${process.pid})`);
    const owner = { clusterName: 'mail.example.org', host: 'mail1', dedicatedIp: '127.0.58.1' };
    await (await openStateDirectory(cluster.hosts[0]!.stateDir, owner)).close();
  });

  it('refuses a state directory that another sidecar has', async () => {
    const owner = { clusterName: 'mail.example.org', host: 'mail1', dedicatedIp: '127.0.58.1' };
    mkdirSync(cluster.hosts[0]!.stateDir);
    const other = await openStateDirectory(cluster.hosts[0]!.stateDir, owner);
    expect(await run()).toMatchObject({ code: 4, said: expect.stringContaining('is in use by another sidecar') });
    await other.close();
  });

  it('ends with 0 where it is asked to while it starts, and leaves no Envoy and no lock', async () => {
    const [host] = cluster.hosts;
    // It waits for the first check of a service that says nothing.
    const text = cluster
      .fileText('equal')
      .replace('periodMs: 500, timeoutMs: 500', 'periodMs: 60000, timeoutMs: 60000');
    writeFileSync(cluster.filePath, text);
    const asked: Socket[] = [];
    const silent = createServer((socket) => void asked.push(socket.on('error', () => {}))).listen(
      PORTS.service,
      host!.ip,
    );
    try {
      host!.run();
      await waitFor('its first check', () => asked.length > 0);
      await host!.end('SIGTERM');
      expect([host!.sidecar!.exitCode, host!.sidecar!.signalCode]).toEqual([0, null]);
      expect(host!.log()).toContain(
        'the sidecar ends before it has started; an Envoy of before serves on, none is started',
      );
      expect(host!.envoyPid).toBeNull();
      const owner = { clusterName: 'mail.example.org', host: 'mail1', dedicatedIp: '127.0.58.1' };
      await (await openStateDirectory(host!.stateDir, owner)).close();
    } finally {
      await host!.end('SIGKILL');
      silent.close();
      for (const socket of asked) socket.destroy();
    }
  });

  it('starts no Envoy for a view that comes while it waits for the clients that others remember, where it is asked to end', async () => {
    const three = new SidecarCluster('127.0.58', 3, false, '    stickFor: 10m\n');
    const [mail1, mail2, mail3] = three.hosts;
    const asked: Socket[] = [];
    // Whom it is to ask for its clients, and who says nothing.
    const silent = createServer((socket) => void asked.push(socket.on('error', () => {}))).listen(
      PORTS.handoff + 1,
      mail3!.ip,
    );
    try {
      mail1!.run();
      await waitFor('mail1 serves', async () => (await mail1!.status()).envoy.tookConfiguration);
      mail2!.run();
      await waitFor('mail2 has a view', async () => (await mail2!.status()).view);
      expect(mail2!.envoyPid).toBeNull();
      await mail2!.end('SIGTERM');
      expect([mail2!.sidecar!.exitCode, mail2!.sidecar!.signalCode]).toEqual([0, null]);
      expect(mail2!.log()).toContain('the sidecar ends before it has started');
      expect([mail2!.envoyPid, mail1!.envoyPid]).toEqual([null, expect.any(Number)]);
    } finally {
      silent.close();
      for (const socket of asked) socket.destroy();
      await three.stop();
    }
  });
});
