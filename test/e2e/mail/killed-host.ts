/**
 * The experiment: a queueing postfix sends many messages to a cluster of three postfix, one host is killed whole in the
 * middle and later started again. What is counted comes from the maildirs and the sender's log, not from the sidecars.
 *
 * SMTP promises each message at least once. It arrives twice where the connection ends between the message's last dot and
 * its answer; the sender's log then says `message may be sent more than once`. A receiver that is killed while it writes
 * into a maildir may do so again when it is back; such copies bear one queue id and say nothing about the cluster.
 */
import { join } from 'node:path';
import { sleep, waitFor } from '../harness/wait.js';
import { MailCluster, portRule } from './mail-cluster.js';
import type { MailHost } from './mail-host.js';
import { countMail, readMail, type StoredMail, tally } from './maildir.js';
import { type Postfix, receivingPostfix } from './postfix.js';
import {
  clientOf,
  inject,
  type SenderFigures,
  senderFigures,
  sendingPostfix,
  type SendingOptions,
} from './sending-postfix.js';

const PORT = 2525;
const SERVICE_PORT = 2526;
const HOST_COUNT = 3;
const DRAINED_WITHIN_MS = 600_000;
const LOOK_PERIOD_MS = 200;

export interface Figures extends SenderFigures {
  messages: number;
  /** Until the others had a view without it, counted from its death. */
  others_converged_ms: number;
  /** In a maildir of any host when the sender's queue was empty, the dead host still dead. */
  arrived_before_return: number;
  /** Taken by the dead host and still in its own queue then. */
  in_dead_queue: number;
  /** Distinct messages after its return. The promise: all of them. */
  arrived: number;
  /** Taken more than once. The promise: at most `may_be_sent_twice`. */
  taken_twice: number;
  /** Taken once, written twice by the host that was killed. */
  written_twice: number;
  /** Mail whose newest Received line names another client than it came from. The promise: 0. */
  wrong_client: number;
  by_host: Record<string, number>;
  seconds: number;
}

export class KilledHost {
  readonly cluster: MailCluster;
  private readonly postfixes: Postfix[];
  private readonly sender: Postfix;
  private readonly sending: SendingOptions;

  /** @param prefix  hosts are at .1-.3 of it, the sender at .200 */
  constructor(
    prefix: string,
    private readonly messages: number,
    private readonly say: (text: string) => void,
  ) {
    const rule = portRule({ name: 'smtp', port: PORT, servicePort: SERVICE_PORT, proxyProtocol: 'v2' });
    this.cluster = new MailCluster(prefix, HOST_COUNT, [rule]);
    this.postfixes = this.cluster.hosts.map((host) => {
      const place = { directory: join(host.stateDir, 'postfix'), address: host.ip, port: SERVICE_PORT };
      const postfix = receivingPostfix({ ...place, hostname: `${host.name}.cluster.test`, proxyProtocol: 'v2' });
      host.servers.push(postfix);
      return postfix;
    });
    this.sending = {
      directory: join(this.cluster.directory, 'sender'),
      address: `${prefix}.200`,
      port: SERVICE_PORT,
      clusterAddresses: this.cluster.hosts.map(({ ip }) => ip),
      clusterPort: PORT,
    };
    this.sender = sendingPostfix(this.sending);
  }

  async run(): Promise<Figures> {
    const startedMs = performance.now();
    const [first, victim, third] = this.cluster.hosts as [MailHost, MailHost, MailHost];
    await Promise.all([this.cluster.start(), this.sender.start()]);
    this.say(`three hosts serve; queueing ${this.messages} messages`);
    const queued = inject(this.messages, this.sending);
    await this.until(`a fifth of the messages`, () => this.keptCount() >= this.messages / 5);
    await victim.kill();
    const killedMs = performance.now();
    this.say(`${victim.name} killed whole after ${this.keptCount()} messages`);
    await this.cluster.converged([first, third]);
    const convergedMs = performance.now() - killedMs;
    this.say(`the others had converged ${(convergedMs / 1000).toFixed(1)} s later`);
    await queued;
    // Twice: one that is tried again goes from a folder that was not counted yet to one that was.
    const isEmpty = () => this.sender.queuedCount() === 0;
    await this.until("the sender's queue empty", () => isEmpty() && isEmpty());
    await this.until('the living hosts have delivered', () => this.queuedAt(first) + this.queuedAt(third) === 0);
    const before = distinct(this.stored());
    const inDeadQueue = this.queuedAt(victim);
    this.say(
      `${before} of ${this.messages} arrived, ${inDeadQueue} more lie in the queue of ${victim.name}; starting it`,
    );
    await victim.start();
    await this.cluster.converged();
    await this.until(`${victim.name} has delivered`, () => this.queuedAt(victim) === 0);
    const stored = this.stored();
    const kept = tally(stored, (recipient) => clientOf(Number.parseInt(recipient, 10)));
    const countAt = ({ name }: MailHost) => [name, stored.filter(({ host }) => host === name).length];
    return {
      messages: this.messages,
      others_converged_ms: Math.round(convergedMs),
      ...senderFigures(this.sender.log()),
      arrived_before_return: before,
      in_dead_queue: inDeadQueue,
      arrived: kept.arrived,
      taken_twice: kept.takenTwice,
      written_twice: kept.writtenTwice,
      wrong_client: kept.wrongClient,
      by_host: Object.fromEntries(this.cluster.hosts.map(countAt)),
      seconds: Math.round((performance.now() - startedMs) / 1000),
    };
  }

  async stop(): Promise<void> {
    await this.sender.kill();
    await this.cluster.stop();
  }

  private until(what: string, isTrue: () => boolean): Promise<boolean> {
    // Counting reads whole directories: not a hundred times a second.
    const ask = async () => isTrue() || sleep(LOOK_PERIOD_MS).then(() => false);
    return waitFor(what, ask, DRAINED_WITHIN_MS).catch((error: Error) => {
      const lines = this.sender.log().split('\n').slice(-20).join('\n');
      throw new Error(`${error.message}\n--- sender\n${lines}\n${this.cluster.logs()}`);
    });
  }

  private keptCount(): number {
    return this.postfixes.reduce((sum, { mailDirectory }) => sum + countMail(mailDirectory), 0);
  }

  private queuedAt(host: MailHost): number {
    return this.postfixes[this.cluster.hosts.indexOf(host)]!.queuedCount();
  }

  private stored(): StoredMail[] {
    return this.cluster.hosts.flatMap(({ name }, i) => readMail(name, this.postfixes[i]!.mailDirectory));
  }
}

const distinct = (stored: readonly StoredMail[]) => new Set(stored.map(({ recipient }) => recipient)).size;

/** What was promised and not kept, one sentence each; none where all was. */
export function brokenPromises(figures: Figures): string[] {
  const { messages, arrived, taken_twice, may_be_sent_twice, wrong_client, bounced } = figures;
  const broken: string[] = [];
  const heldMeanwhile = figures.arrived_before_return + figures.in_dead_queue;
  if (heldMeanwhile < messages) {
    broken.push(`${heldMeanwhile} of ${messages} messages were on a disk while the host was dead, expected every one`);
  }
  if (arrived !== messages) broken.push(`${arrived} of ${messages} messages arrived, expected every one at least once`);
  if (taken_twice > may_be_sent_twice) {
    broken.push(`${taken_twice} copies were taken, expected at most the ${may_be_sent_twice} the sender warned of`);
  }
  if (wrong_client > 0) broken.push(`${wrong_client} messages show another client address, expected the sender's own`);
  if (bounced > 0) broken.push(`${bounced} messages were given back to their sender, expected none`);
  return broken;
}
