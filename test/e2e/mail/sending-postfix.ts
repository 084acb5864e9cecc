/**
 * A postfix that queues what it is given and sends it to the cluster's name, as another site's mail server would: from
 * twenty client addresses, one connection a message, trying again soon. Its timers are far below postfix' defaults (a
 * deferred message is tried again after 300 s there), so that a run ends within minutes.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Postfix } from './postfix.js';

export const CLIENT_COUNT = 20;
const CLUSTER_NAME = 'mail.cluster.test';
/** Connections at a time from one client address; 40 in all. */
const SESSIONS_A_CLIENT = 2;

/** The client address that the message of this number comes from. */
export const clientOf = (messageNumber: number) => `127.7.9.${(messageNumber % CLIENT_COUNT) + 1}`;

/** Every number that is `remainder` modulo 20, in decimal digits: its last digit, and whether the one before is even. */
function numbersOf(remainder: number): string {
  const tens = remainder < 10 ? '([0-9]*[02468])?' : '[0-9]*[13579]';
  return `/^${tens}${remainder % 10}u@/`;
}

export interface SendingOptions {
  directory: string;
  address: string;
  port: number;
  /** The cluster's hosts: what its name resolves to, in any order. */
  clusterAddresses: string[];
  clusterPort: number;
}

export function sendingPostfix(options: SendingOptions): Postfix {
  const { directory, address, port, clusterAddresses, clusterPort } = options;
  const clients = Array.from({ length: CLIENT_COUNT }, (_, i) => i);
  const transports = join(directory, 'transports');
  const hosts = join(directory, 'hosts');
  mkdirSync(directory, { recursive: true });
  const relay = (i: number) => `client${i}:[${CLUSTER_NAME}]:${clusterPort}`;
  writeFileSync(transports, clients.map((i) => `${numbersOf(i)} ${relay(i)}\n`).join(''));
  writeFileSync(hosts, ['127.0.0.1 localhost', ...clusterAddresses.map((a) => `${a} ${CLUSTER_NAME}`), ''].join('\n'));
  const listener = `${address}:${port} inet n - n - - smtpd\n`;
  const senders = clients.map((i) => `client${i} unix - - n - - smtp\n -o smtp_bind_address=${clientOf(i)}\n`);
  return new Postfix({
    directory,
    hostname: 'sender.client.test',
    address,
    port,
    binds: { '/etc/hosts': hosts },
    master: `${listener}${senders.join('')}`,
    main: `inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_dns_support_level = disabled
transport_maps = regexp:${transports}
default_destination_concurrency_limit = ${SESSIONS_A_CLIENT}
smtp_connection_cache_on_demand = no
smtp_destination_concurrency_failed_cohort_limit = 100
minimal_backoff_time = 2s
maximal_backoff_time = 4s
queue_run_delay = 2s
transport_retry_time = 2s
smtp_connect_timeout = 3s
smtp_helo_timeout = 5s
smtp_mail_timeout = 5s
smtp_rcpt_timeout = 5s
smtp_data_init_timeout = 5s
smtp_data_xfer_timeout = 5s
smtp_data_done_timeout = 5s
smtp_quit_timeout = 2s
`,
  });
}

/** Hands the sender `count` messages of 1 kB, to `1u@example.test`, `2u@...`; resolves when it has queued them all. */
export function inject(count: number, { address, port }: SendingOptions): Promise<void> {
  const mail = ['-f', 'sender@client.test', '-t', 'u@example.test', '-l', '1000'];
  const args = ['-s', '4', '-m', String(count), '-N', ...mail, `${address}:${port}`];
  return new Promise((resolve, reject) => {
    execFile('smtp-source', args, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(new Error(`Cannot queue ${count} messages: smtp-source said ${stderr.trim()}`));
    });
  });
}

export interface SenderFigures {
  /** Sessions that ended in the middle: with the dying host. The sender goes on to the cluster's next address. */
  cut_sessions: number;
  /** Tries at an address that refused or did not answer: the dead host as entry host. */
  refused_tries: number;
  /** Messages for which every address failed, so that they were put off. */
  deferred: number;
  /** Messages given back to who sent them. The promise: 0. */
  bounced: number;
  /** Sessions cut between the last dot and its answer: the sender cannot know, and says so. */
  may_be_sent_twice: number;
}

/** What the sender's own log says of its troubles. */
export function senderFigures(log: string): SenderFigures {
  const count = (pattern: RegExp) => log.match(pattern)?.length ?? 0;
  return {
    cut_sessions: count(/lost connection with/g),
    refused_tries: count(/connect to \S+: Connection (refused|timed out)/g),
    deferred: new Set([...log.matchAll(/ (\w+): to=<.* status=deferred/g)].map((match) => match[1])).size,
    bounced: count(/status=bounced/g),
    may_be_sent_twice: count(/message may be sent more than once/g),
  };
}
