/** What of a cluster file only a start of the sidecars can take up, on three real sidecars: the ways that operating.md tells. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nlb, type Said } from '../host/cli-fixture.js';
import { openClient } from './harness/client.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster, SidecarHost } from './sidecar-cluster.js';

const cluster = new SidecarCluster('127.0.86', 3, true);
const [mail1, mail2, mail3] = cluster.hosts as [SidecarHost, SidecarHost, SidecarHost];

beforeAll(() => cluster.start());
afterAll(() => cluster.stop());

const on = (host: SidecarHost, ...args: string[]): Promise<Said> =>
  nlb([...args, '--state-dir', host.stateDir], { USER: 'root' });

function fileWith(text: string): string {
  const path = join(cluster.directory, 'new.yaml');
  writeFileSync(path, text);
  return path;
}

describe('a file that only a start can take up', () => {
  it('is refused by reload, and in force once every sidecar was started with it, without touching a connection', async () => {
    const change = (text: string) =>
      text.replace(/heartbeat: 7\d+/, 'heartbeat: 7692').replace(/page: \d+/, 'page: 7693');
    const open = openClient({ from: '127.3.1.1', to: { host: mail1.ip, port: PORTS.rule } });
    await open.firstLine();
    for (const host of cluster.hosts) writeFileSync(host.filePath, change(cluster.fileText('equal')));
    expect(await on(mail2, 'reload')).toMatchObject({
      code: 4,
      err: `nlb reload: ports.heartbeat is ${PORTS.heartbeat}, the file says 7692: sidecars read that at their start; put the file on every host and restart the sidecars\n`,
    });
    const envoys = cluster.hosts.map(({ envoyPid }) => envoyPid);
    for (const host of cluster.hosts) {
      await host.end('SIGTERM');
      host.run();
    }
    await cluster.converged();
    expect(cluster.hosts.map(({ envoyPid }) => envoyPid)).toEqual(envoys);
    await open.echo('after the start');
    open.close();
    await waitFor('nothing to be wrong', async () => (await mail3.status()).problems.length === 0);
  });
});

describe('another dedicated IP of a host', () => {
  it('is in force by the steps that operating.md tells, while the others serve', async () => {
    const moved = new SidecarHost(cluster, 'mail3', '127.0.86.9');
    expect(await on(mail3, 'stop')).toMatchObject({ code: 0 });
    await waitFor('mail3 is stopped', async () => (await mail1.status()).hosts[2]!.state === 'stopped');
    const text = readFileSync(mail1.filePath, 'utf8').replace(mail3.ip, moved.ip);
    expect(await on(mail1, 'apply', fileWith(text), '--without', 'mail3')).toMatchObject({ code: 0 });
    await mail3.end('SIGTERM');
    writeFileSync(mail3.filePath, text);
    const logFrom = mail3.log().length;
    moved.run();
    await waitFor('it is refused', () => moved.sidecar!.exitCode !== null);
    const identity = join(mail3.stateDir, 'identity.json');
    expect(moved.log().slice(logFrom)).toContain(
      `State directory ${mail3.stateDir} belongs to dedicated IP ${mail3.ip}, this is ${moved.ip}. It looks like a copy; ` +
        `give this host a directory of its own (--state-dir), or remove ${identity} and state.json beside it to start afresh`,
    );
    for (const name of ['identity.json', 'state.json']) rmSync(join(mail3.stateDir, name));
    cluster.hosts[2] = moved;
    await mail3.service?.stop();
    await moved.serve();
    moved.run();
    await cluster.converged();
    expect((await mail1.status()).hosts.map(({ dedicatedIp }) => dedicatedIp)).toEqual([mail1.ip, mail2.ip, moved.ip]);
    const client = openClient({ from: '127.3.1.2', to: { host: moved.ip, port: PORTS.rule } });
    expect(await client.firstLine()).toMatch(/^220 mail/);
    client.close();
  });
});
