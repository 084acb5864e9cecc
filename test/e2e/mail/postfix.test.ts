/** Two and three postfix behind a cluster: swaks from many client addresses, and what the stored mail says of them. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../harness/wait.js';
import { MailCluster, portRule } from './mail-cluster.js';
import { countMail, readMail, type StoredMail } from './maildir.js';
import { whyNoMail } from './needs.js';
import { type Postfix, receivingPostfix } from './postfix.js';
import { type Sending, swaksAll } from './swaks.js';

const PORT = 2525;
const SERVICE_PORT = 2526;
const CLIENT_COUNT = 24;
const missing = whyNoMail();
if (missing !== null) console.log(`skipped: mail through real postfix: ${missing}`);

describe.skipIf(missing !== null).each([2, 3])('%i postfix behind a cluster', (hostCount) => {
  let cluster: MailCluster;
  const postfixes: Postfix[] = [];
  const clients = Array.from({ length: CLIENT_COUNT }, (_, i) => `127.7.${hostCount}.${i + 1}`);
  let stored: StoredMail[] = [];

  beforeAll(async () => {
    const rule = portRule({ name: 'smtp', port: PORT, servicePort: SERVICE_PORT, proxyProtocol: 'v2' });
    cluster = new MailCluster(`127.0.7${hostCount}`, hostCount, [rule]);
    for (const host of cluster.hosts) {
      const place = { directory: join(host.stateDir, 'postfix'), address: host.ip, port: SERVICE_PORT };
      const postfix = receivingPostfix({ ...place, hostname: `${host.name}.cluster.test`, proxyProtocol: 'v2' });
      host.servers.push(postfix);
      postfixes.push(postfix);
    }
    await cluster.start();
    const sendings: Sending[] = clients.flatMap((from) =>
      cluster.hosts.map(({ name, ip }) => ({
        from,
        to: { address: ip, port: PORT },
        recipient: `${from}.through.${name}@example.test`,
      })),
    );
    const sent = await swaksAll(sendings);
    const failed = sent.filter(({ exitCode }) => exitCode !== 0);
    expect(failed.map(({ conversation }) => conversation)).toEqual([]);
    const kept = () => postfixes.reduce((sum, { mailDirectory }) => sum + countMail(mailDirectory), 0);
    await waitFor('all mail in the maildirs', () => kept() >= sendings.length);
    stored = cluster.hosts.flatMap(({ name }, i) => readMail(name, postfixes[i]!.mailDirectory));
  });
  afterAll(() => cluster?.stop());

  it('keep every mail once, through whichever host it came in', () => {
    const wanted = clients.flatMap((from) => cluster.hosts.map(({ name }) => `${from}.through.${name}@example.test`));
    expect(stored.map(({ recipient }) => recipient).sort()).toEqual(wanted.sort());
  });

  it("see the client's own address in Received", () => {
    for (const { recipient, client } of stored) expect(recipient).toContain(`${client}.through.`);
  });

  it('take each client address on the one host that explain names, and all of them take some', async () => {
    for (const from of clients) {
      const hosts = new Set(stored.filter(({ client }) => client === from).map(({ host }) => host));
      const named = await Promise.all(cluster.hosts.map((host) => host.ownerOf(from, PORT)));
      expect([...hosts], from).toEqual([...new Set(named)]);
    }
    expect(new Set(stored.map(({ host }) => host)).size).toBe(hostCount);
  });
});
