/**
 * What becomes of a change of the cluster file whose coordinator dies in the midst of it, and of two hosts that were apart. The
 * dead coordinator is mail1, whose sidecar is killed: the test says in its place what it had said until then.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Revision, sealRevision } from '../../host/apply/revision.js';
import { HostChannel } from '../../host/channel/channel.js';
import { sha256 } from '../../host/edge/cluster-file.js';
import { readKeyFile } from '../../host/edge/key-file.js';
import { fingerprintOf, parseClusterFile } from '../../host/protocol/config/index.js';
import { nlb } from '../host/cli-fixture.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster } from './sidecar-cluster.js';

type Host = SidecarCluster['hosts'][0];
let cluster: SidecarCluster;

async function start(prefix: string, hostCount: number): Promise<Host[]> {
  cluster = new SidecarCluster(prefix, hostCount, true);
  await cluster.start();
  return cluster.hosts;
}

function apply(host: Host, text: string, ...more: string[]) {
  const path = join(cluster.directory, 'new.yaml');
  writeFileSync(path, text);
  return nlb(['apply', path, '--state-dir', host.stateDir, ...more], { USER: 'root' });
}

/** What mail1 would say to the others of a revision that all but itself shall have. */
function coordinator(text: string) {
  const keys = readKeyFile(join(cluster.directory, 'cluster.key'));
  const parsed = parseClusterFile(text, 'new.yaml');
  if ('errors' in parsed) throw new Error('the new file has mistakes');
  const { file } = parsed;
  const fingerprint = fingerprintOf(file, sha256);
  const revision: Revision = {
    revision: 1,
    fingerprint,
    text,
    cause: 'applied',
    by: 'root on mail1',
    at: '2026-11-23T08:00:00.000Z',
    without: ['mail1'],
    confirmMs: null,
  };
  const log = { info() {}, warning() {}, error() {}, repeating() {}, flush() {}, identify() {} };
  const hosts = () => file.hosts;
  const channel = new HostChannel({
    self: file.hosts[0]!,
    clusterName: file.clusterName,
    keys,
    port: PORTS.handoff + 1,
    hosts,
    log,
  });
  const tell = async (to: string, path: string, body: object) => {
    const { code, body: answer } = await channel.ask(to, { method: 'POST', path, body });
    expect([code, answer]).toEqual([200, expect.objectContaining({ ok: true })]);
  };
  return {
    prepare: (to: string, base: string) =>
      tell(to, '/apply/prepare', { sealed: sealRevision(revision, file.clusterName, keys), base, trial: false }),
    commit: (to: string) => tell(to, '/apply/commit', { number: 1, fingerprint }),
  };
}

const revisionOf = async (host: Host) => (await host.status()).file.revision;

afterEach(() => cluster.stop());

describe('a coordinator that dies', () => {
  let mail1: Host;
  let mail2: Host;
  let mail3: Host;
  let base: string;
  beforeEach(async () => {
    [mail1, mail2, mail3] = (await start('127.0.64', 3)) as [Host, Host, Host];
    base = (await mail2.status()).file.fingerprint;
  });

  it('after it told one host to go on: the others follow that one, and it fetches the file when it is back', async () => {
    const text = cluster.fileText('{mail1: 5, mail2: 6, mail3: 7}');
    const said = coordinator(text);
    await mail1.end('SIGKILL');
    await said.prepare('mail2', base);
    await said.prepare('mail3', base);
    await said.commit('mail2');
    await waitFor('mail3 was told to go on by nobody', () => mail3.log().includes('host mail2 was told to go on'));
    for (const host of [mail2, mail3]) await waitFor('it is in force', async () => (await revisionOf(host)) === 1);
    mail1.run();
    await cluster.converged();
    await waitFor('mail1 has it', () => readFileSync(mail1.filePath, 'utf8') === text);
    expect(await revisionOf(mail1)).toBe(1);
  });

  it('before it told anybody: it is in force nowhere, and the next one is not kept from it', async () => {
    const said = coordinator(cluster.fileText('{mail1: 5, mail2: 6, mail3: 7}'));
    await mail1.end('SIGKILL');
    await said.prepare('mail2', base);
    await said.prepare('mail3', base);
    const other = cluster.fileText('{mail1: 8, mail2: 8, mail3: 9}');
    expect((await apply(mail2, other, '--without', 'mail1')).err).toContain(
      'revision 1 is being brought by root on mail1 since 2026-11-23T08:00:00.000Z; try again when that is done',
    );
    const done = await waitFor('the promise ends', async () => {
      const answer = await apply(mail2, other, '--without', 'mail1');
      return answer.code === 0 ? answer : null;
    });
    expect(done.out).toContain('Revision 1 is in force on mail2, mail3');
    mail1.run();
    await cluster.converged();
    await waitFor('mail1 has it', () => readFileSync(mail1.filePath, 'utf8') === other);
  });

  it('and a host that dies with the offer goes on with what the others have in force', async () => {
    const text = cluster.fileText('{mail1: 5, mail2: 6, mail3: 7}');
    const said = coordinator(text);
    await mail1.end('SIGKILL');
    await said.prepare('mail2', base);
    await said.prepare('mail3', base);
    await said.commit('mail3');
    await mail3.end('SIGKILL');
    mail1.run();
    mail3.run();
    await cluster.converged();
    // Whichever came first: mail2 heard of the offer and went on, or nobody did. It is one file everywhere.
    await waitFor('one file', async () => new Set(await Promise.all(cluster.hosts.map(revisionOf))).size === 1);
    await waitFor(
      'on all disks',
      () => new Set(cluster.hosts.map((host) => readFileSync(host.filePath, 'utf8'))).size === 1,
    );
    await waitFor('nothing to be wrong', async () => (await mail2.status()).problems.length === 0);
  });
});

describe('one against one', () => {
  it('goes by the higher revision, and the host that was away fetches it', async () => {
    const [mail1, mail2] = (await start('127.0.65', 2)) as [Host, Host];
    await mail2.end('SIGKILL');
    const text = cluster.fileText('{mail1: 5, mail2: 6}');
    expect(await apply(mail1, text, '--without', 'mail2')).toMatchObject({ code: 0, err: '' });
    await mail1.end('SIGKILL');
    mail2.run();
    const alone = await waitFor('mail2 has decided to go on alone, with what it had', async () => {
      const answer = await apply(mail2, cluster.fileText('{mail1: 1, mail2: 1}'), '--without', 'mail1');
      return answer.err.includes('too few') ? answer : null;
    });
    expect(alone.err).toContain(
      '1 of 2 hosts are too few to change the cluster file, expected more than half, or half of them',
    );
    mail1.run();
    await cluster.converged();
    await waitFor('mail2 has it', () => readFileSync(mail2.filePath, 'utf8') === text);
    expect(await Promise.all([mail1, mail2].map(revisionOf))).toEqual([1, 1]);
  });
});
