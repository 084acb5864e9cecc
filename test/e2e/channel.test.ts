/** Verbs aimed at other hosts, over the host channel of real sidecars; each `nlb` is a command line of its own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nlb } from '../host/cli-fixture.js';
import { waitFor } from './harness/wait.js';
import { SidecarCluster } from './sidecar-cluster.js';

const cluster = new SidecarCluster('127.0.62', 3);
type Host = SidecarCluster['hosts'][0];
const [mail1, , mail3] = cluster.hosts as [Host, Host, Host];

beforeAll(() => cluster.start());
afterAll(() => cluster.stop());

/** As on mail1's machine: the state directory holds one sidecar. */
const onMail1 = (...args: string[]) => nlb([...args, '--state-dir', mail1.stateDir]);

async function stateOf(name: string): Promise<string | undefined> {
  return (await mail1.status()).hosts.find((host) => host.name === name)?.state;
}

describe('nlb on mail1', () => {
  it('asks another host for its status, by name or host priority', async () => {
    for (const wanted of ['mail2', '2']) {
      const { code, out, err } = await onMail1('query', '--host', wanted);
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain('Host mail2 converged with the following host(s) as part of the cluster: 1,2,3');
    }
    const explained = await onMail1('explain', '192.0.2.7', '--port', '2553', '--host', '3');
    expect(explained).toMatchObject({ code: 0, out: expect.stringContaining('as in force on mail3') });
  });

  it('asks all hosts at once', async () => {
    const { code, out } = await onMail1('query', '--all');
    expect([code, out.split('\n').map((line) => line.slice(0, 16))]).toEqual([
      0,
      ['mail1: Host mail', 'mail2: Host mail', 'mail3: Host mail', ''],
    ]);
  });

  it('stops another host and starts it again', async () => {
    expect(await onMail1('stop', '--host', 'mail3')).toMatchObject({
      code: 0,
      out: expect.stringContaining('host mail3 leaves'),
    });
    await waitFor('mail3 is stopped', async () => (await stateOf('mail3')) === 'stopped');
    await mail3.logged('host mail1 asks for stop on behalf of its administrator');
    expect(await onMail1('start', '--host', 'mail3')).toMatchObject({ code: 0 });
    await cluster.converged();
  });

  it('names a host that does not answer, and one that there is not', async () => {
    await mail3.end('SIGKILL');
    const reason = 'host mail3 does not answer: nobody listens there; its sidecar does not run';
    expect(await onMail1('drainstop', '--host', 'mail3')).toEqual({
      code: 3,
      out: '',
      err: `nlb drainstop: ${reason}\n`,
    });
    const all = await onMail1('reload', '--all');
    expect(all).toMatchObject({ code: 3, err: `mail3: ${reason}\n` });
    expect(all.out.split('\n').map((line) => line.slice(0, 6))).toEqual(['mail1:', 'mail2:', '']);
    const none = 'There is no host mail9 in the cluster, expected one of mail1, mail2, mail3';
    expect(await onMail1('stop', '--host', 'mail9')).toEqual({ code: 2, out: '', err: `nlb stop: ${none}\n` });
  });
});
