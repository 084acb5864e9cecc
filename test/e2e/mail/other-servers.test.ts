/** Other mail servers than postfix: exim beside a postfix behind one rule, and one that reads PROXY version 1 only. */
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../harness/wait.js';
import { Exim, whyNoExim } from './exim.js';
import { MailCluster, portRule } from './mail-cluster.js';
import type { MailHost, Server } from './mail-host.js';
import { readMail } from './maildir.js';
import { whyNoMail } from './needs.js';
import { receivingPostfix } from './postfix.js';
import { type Sending, swaksAll } from './swaks.js';

const CLIENT_COUNT = 16;
const clients = Array.from({ length: CLIENT_COUNT }, (_, i) => `127.7.6.${i + 1}`);

/** One mail from every client through every host; each must be accepted. */
async function sendThroughAll(cluster: MailCluster, port: number): Promise<string[]> {
  const sendings: Sending[] = clients.flatMap((from) =>
    cluster.hosts.map(({ ip, name }) => ({
      from,
      to: { address: ip, port },
      recipient: `${from}.${name}@example.test`,
    })),
  );
  const failed = (await swaksAll(sendings)).filter(({ exitCode }) => exitCode !== 0);
  expect(failed.map(({ conversation }) => conversation)).toEqual([]);
  return sendings.map(({ recipient }) => recipient).sort();
}

const missing = whyNoMail() ?? whyNoExim();
if (missing !== null) console.log(`skipped: exim and postfix behind one rule: ${missing}`);

describe.skipIf(missing !== null)('exim on one host and postfix on the other', () => {
  let cluster: MailCluster;
  beforeAll(() => {
    const rule = portRule({ name: 'smtp', port: 2525, servicePort: 2526, proxyProtocol: 'v2' });
    cluster = new MailCluster('127.0.76', 2, [rule]);
  });
  afterAll(() => cluster?.stop());

  it("see the client's own address, handed off or not, and keep every mail once", async () => {
    const [mail1, mail2] = cluster.hosts as [MailHost, MailHost];
    const place = ({ stateDir, name, ip }: MailHost) => {
      return { directory: join(stateDir, 'server'), hostname: `${name}.cluster.test`, address: ip, port: 2526 };
    };
    const exim = new Exim(place(mail1));
    const postfix = receivingPostfix({ ...place(mail2), proxyProtocol: 'v2' });
    mail1.servers.push(exim);
    mail2.servers.push(postfix);
    await cluster.start();
    const wanted = await sendThroughAll(cluster, 2525);
    const read = () => [...readMail('mail1', exim.mailDirectory), ...readMail('mail2', postfix.mailDirectory)];
    const stored = await waitFor('all mail in the maildirs', () => read().length >= wanted.length && read());
    expect(stored.map(({ recipient }) => recipient).sort()).toEqual(wanted);
    for (const { recipient, client } of stored) expect(recipient).toMatch(new RegExp(`^${client}\\.mail`));
    for (const from of clients) {
      const hosts = new Set(stored.filter(({ client }) => client === from).map(({ host }) => host));
      expect([...hosts], from).toEqual([await mail1.ownerOf(from, 2525)]);
    }
    expect(new Set(stored.map(({ host }) => host))).toEqual(new Set(['mail1', 'mail2']));
  });
});

/** smtp-server as its users run it behind HAProxy. Remembers `recipient client` of every mail. */
class VersionOneServer implements Server {
  readonly taken: string[] = [];
  private readonly server: SMTPServer;

  constructor(
    private readonly host: MailHost,
    private readonly port: number,
  ) {
    this.server = new SMTPServer({
      name: host.name,
      useProxy: true,
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      onData: (stream, session, done) => {
        stream.resume().once('end', () => {
          this.taken.push(`${session.envelope.rcptTo[0]?.address} ${session.remoteAddress}`);
          done();
        });
      },
    });
    // A client that goes away in the middle is everyday life of a mail server.
    this.server.on('error', () => {});
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.server.listen(this.port, this.host.ip, () => resolve()));
  }

  kill(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

const noSwaks = whyNoMail();
if (noSwaks !== null) console.log(`skipped: a server that reads PROXY version 1 only: ${noSwaks}`);

describe.skipIf(noSwaks !== null)('npm smtp-server, which reads PROXY version 1 only', () => {
  let cluster: MailCluster;
  beforeAll(() => {
    const rule = portRule({ name: 'smtp', port: 2525, servicePort: 2526, proxyProtocol: 'v1' });
    cluster = new MailCluster('127.0.77', 2, [rule]);
  });
  afterAll(() => cluster?.stop());

  it("sees the client's own address with proxyProtocol: v1, handed off or not", async () => {
    const servers = cluster.hosts.map((host) => new VersionOneServer(host, 2526));
    for (const [i, host] of cluster.hosts.entries()) host.servers.push(servers[i]!);
    await cluster.start();
    const wanted = await sendThroughAll(cluster, 2525);
    const taken = servers.flatMap((server) => server.taken);
    expect(taken.sort()).toEqual(wanted.map((recipient) => `${recipient} ${recipient.replace(/\.mail.*/, '')}`).sort());
    expect(servers.filter((server) => server.taken.length > 0)).toHaveLength(2);
  });
});
