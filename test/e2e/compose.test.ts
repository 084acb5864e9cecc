/**
 * The compose cluster of envoy/compose, in a Docker engine of our own: its README word for word, then what it promises about
 * many clients and a host that dies under load.
 */
import { describe, expect, it } from 'vitest';
import { type ComposeCluster, HOSTS, TEST_MAX_MS, useComposeCluster, WAIT_MAX_MS } from './compose-cluster.js';
import { waitFor } from './harness/wait.js';

const CLIENTS = { prefix: '10.78.0.', first: 130, count: 60, workerCount: 4 };

let cluster: ComposeCluster;

describe('the compose cluster', { timeout: TEST_MAX_MS }, () => {
  useComposeCluster('the compose cluster', '.', 'envoy-nlb', (started) => {
    cluster = started;
  });

  for (const heading of ['Start it', 'Send mail', 'Kill a host', 'Drain a host']) {
    it(`does what its README says: ${heading}`, () => cluster.followAll(heading));
  }

  it('runs sidecar and Envoy without rights', async () => {
    const output = await cluster.must("docker compose exec mail1 sh -c 'grep -h ^Uid /proc/[0-9]*/status'");
    const users = output
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/).slice(1));
    expect(users.length).toBeGreaterThan(2);
    expect(users.flat()).not.toContain('0');
  });

  it('leads each client address to one host, through whichever it enters, and stores its mail there', async () => {
    const fallbacksBefore = await cluster.fallbackCounts();
    const sent = await cluster.send({ tag: 'each', ...CLIENTS, until: 'once', entries: HOSTS });
    expect(sent).toHaveLength(180);
    expect(sent.filter(({ accepted }) => !accepted)).toEqual([]);
    const owners = await cluster.ownersOf(sent.map(({ address }) => address));
    expect([...new Set(owners.values())].sort()).toEqual(HOSTS);
    const astray = sent.filter(({ address, servedBy }) => servedBy !== owners.get(address));
    // A machine so busy that an owner was silent for a second: the entry host serves, and has counted it.
    const fallbacks = await cluster.fallbackCounts();
    for (const host of HOSTS) {
      const here = astray.filter(({ servedBy, entry }) => servedBy === host && entry === host);
      expect(here.length, `fallbacks of ${host}`).toBe(fallbacks.get(host)! - fallbacksBefore.get(host)!);
    }
    expect(astray.filter(({ servedBy, entry }) => servedBy !== entry)).toEqual([]);
    const inboxes = await cluster.stored();
    for (const { id, address, servedBy } of sent) {
      expect(inboxes[HOSTS.indexOf(servedBy)]!.get(id), id).toBe(address);
    }
  });

  it('loses no accepted mail, and only what a host was serving, when that host is killed under load', async () => {
    const until = '/tmp/enough';
    const sending = cluster.send({ tag: 'load', ...CLIENTS, until, entries: ['mail1', 'mail3'] });
    await waitFor('mails on mail2', async () => (await cluster.storedAt('mail2')).size > 60 + 5, WAIT_MAX_MS);
    await cluster.must('docker compose kill mail2 postfix2');
    await cluster.allSay(['mail1', 'mail3'], ['mail1', 'mail3']);
    await cluster.must('docker compose start mail2 postfix2');
    await cluster.allSay(HOSTS, HOSTS);
    await cluster.must(`docker compose exec client touch ${until}`);
    // Each worker had at most one session open when mail2 died.
    await cluster.expectStored(await sending, CLIENTS.workerCount);
  });

  it('does what its README says: End it', async () => {
    await cluster.followAll('End it');
    await cluster.expectNothingLeft();
  });
});
