/**
 * A cluster of envoy/compose, in a Docker engine of our own, as a test sees it: the commands of its page, mails from many clients,
 * what is in the mailboxes, and what its hosts say. Needs root; says why where the engine cannot run.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { explain, inForceOfFile } from '../../host/admin/explain.js';
import type { ClusterStatus } from '../../host/admin/status.js';
import { loadClusterFile } from '../../host/edge/cluster-file.js';
import { loadDecision } from '../../host/edge/decision.js';
import { sleep, waitFor } from './harness/wait.js';
import { Lab } from './lab.js';
import { difference, type Step, stepsOf } from './walkthrough.js';

/** Images are made from nothing the first time, on machines that do other things as well. */
const LAB_MAX_MS = 1_200_000;
export const TEST_MAX_MS = 300_000;
/** Bounds a hang of what is asked again and again. */
export const WAIT_MAX_MS = 60_000;
export const HOSTS = ['mail1', 'mail2', 'mail3'];

export interface Mails {
  /** Begins the ids of these mails; another one for each run. */
  tag: string;
  /** What the client's addresses begin with, and the number they end with: `10.78.0.` and 130. */
  prefix: string;
  first: number;
  count: number;
  workerCount: number;
  /** A file of the client's that ends it; `once` where each address sends one mail through each entry. */
  until: string;
  entries: readonly string[];
}

export interface Sent {
  id: string;
  address: string;
  entry: string;
  /** The host that greeted, `-` where none did. */
  servedBy: string;
  accepted: boolean;
  reply: string;
}

export class ComposeCluster {
  readonly clusterFile: string;
  private readonly steps: Step[];

  private constructor(
    private readonly lab: Lab,
    private readonly project: string,
    private readonly scripts: Record<string, string>,
    folder: URL,
  ) {
    this.clusterFile = fileURLToPath(new URL('config/cluster.yaml', folder));
    this.steps = stepsOf(readFileSync(new URL('README.md', folder), 'utf8'));
  }

  /**
   * The images are there and nothing runs yet.
   *
   * @param folder   beside README.md of envoy/compose: `.` or `arp`
   * @param project  COMPOSE_PROJECT_NAME in the folder's .env
   * @returns        the reason where this machine cannot run it
   */
  static async start(folder: string, project: string): Promise<ComposeCluster | string> {
    const url = new URL(`../../envoy/compose/${folder}/`, import.meta.url);
    const lab = await Lab.start(fileURLToPath(url));
    if (typeof lab === 'string') return lab;
    const script = (name: string) => [name, fileURLToPath(new URL(`compose-${name}.pl`, import.meta.url))] as const;
    const scripts = Object.fromEntries(['mails', 'sessions', 'who-has'].map(script));
    await lab.must('docker compose down -v -t 0');
    return new ComposeCluster(lab, project, scripts, url);
  }

  async end(): Promise<void> {
    await this.lab.sh('docker compose down -v -t 0');
    await this.lab.end();
  }

  must(command: string): Promise<string> {
    return this.lab.must(command);
  }

  async logs(): Promise<string> {
    return (await this.lab.sh(`docker compose logs --tail 60 ${HOSTS.join(' ')}`)).output;
  }

  /** What the page says under a heading, command by command. */
  async followAll(heading: string): Promise<void> {
    const steps = this.steps.filter((step) => step.heading === heading);
    expect(steps.length, `commands under "${heading}"`).toBeGreaterThan(0);
    for (const step of steps) await this.follow(step);
  }

  /** A question is asked until it is answered as the page shows: the page leaves out the seconds a reader takes. */
  private async follow(step: Step): Promise<void> {
    const isQuestion = / nlb (query|display|explain)\b| client (cat|ip) | nft list |^docker inspect /.test(
      step.command,
    );
    const endsAt = performance.now() + (isQuestion ? WAIT_MAX_MS : 0);
    for (;;) {
      const { code, output } = await this.lab.sh(step.command);
      const wrong = difference(step, output);
      if (wrong === null && (step.shown.length > 0 || code === 0)) return;
      if (performance.now() > endsAt) throw new Error(wrong ?? `exit code ${code} of: ${step.command}\n${output}`);
      await sleep(500);
    }
  }

  /** Runs one of our Perl scripts (compose-NAME.pl) in the client, and answers its lines when it ends. */
  async inClient(name: string, args: string): Promise<string[]> {
    const output = await this.must(`docker compose exec client perl - ${args} <${this.scripts[name]}`);
    return output
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  }

  async send({ tag, prefix, first, count, workerCount, until, entries }: Mails): Promise<Sent[]> {
    const lines = await this.inClient('mails', [tag, prefix, first, count, workerCount, until, ...entries].join(' '));
    return lines.map((line) => {
      const [id = '', address = '', entry = '', servedBy = '', ...reply] = line.split(' ');
      return { id, address, entry, servedBy, accepted: reply[0] === '250' && reply.includes('queued'), reply: line };
    });
  }

  /** What is in the mailboxes, host by host: by the id of each mail, the address that its Received line names. */
  async stored(): Promise<Map<string, string>[]> {
    await waitFor('empty queues', () => this.areQueuesEmpty(), WAIT_MAX_MS);
    return Promise.all(HOSTS.map((host) => this.storedAt(host)));
  }

  /** Fails where a mail that was accepted is in no mailbox, or where more failed than were under way when a host died. */
  async expectStored(sent: readonly Sent[], failedMax: number): Promise<void> {
    const failed = sent.filter(({ accepted }) => !accepted);
    console.log(`${sent.length} mails, ${failed.length} failed: ${failed.map(({ reply }) => reply).join('; ')}`);
    expect(failed.length).toBeLessThanOrEqual(failedMax);
    const inboxes = await this.stored();
    const missing = sent.filter(({ id, accepted }) => accepted && !inboxes.some((mails) => mails.has(id)));
    expect(missing).toEqual([]);
  }

  async storedAt(host: string): Promise<Map<string, string>> {
    const find = `find /var/mail/inbox/new -type f -exec grep -hoE "unknown .(IPv6:)?[0-9a-f.:]+.|^X-Id: .*" {} +`;
    const output = await this.must(`docker compose exec ${mailServerOf(host)} sh -c '${find}'`);
    const pairs = output.matchAll(/unknown \[(?:IPv6:)?([0-9a-f.:]+)\]\r?\n(?:X-Id: (\S+))?/g);
    return new Map([...pairs].flatMap(([, address = '', id]) => (id === undefined ? [] : [[id, address]])));
  }

  /** A file without the x bit was never finished by postfix: its client has no 250. */
  private async areQueuesEmpty(): Promise<boolean> {
    const find = 'find /var/spool/postfix/active /var/spool/postfix/incoming -type f -perm -u+x';
    const finds = HOSTS.map((host) => `docker compose exec ${mailServerOf(host)} ${find}`);
    return (await this.must(finds.join(' && '))).trim() === '';
  }

  /** By the arithmetic itself, from the cluster file. */
  async ownersOf(addresses: readonly string[]): Promise<Map<string, string | null>> {
    const loaded = loadClusterFile(this.clusterFile);
    if (!loaded.ok) throw new Error(`${this.clusterFile} has mistakes`);
    const decision = await loadDecision();
    const inForce = inForceOfFile(loaded.file, decision.version);
    const ask = (client: string) =>
      explain(inForce, null, decision, { client, port: 25, protocol: 'tcp', to: null }, 'file');
    return new Map(addresses.map((address) => [address, ask(address).owner]));
  }

  async status(host: string): Promise<ClusterStatus> {
    return JSON.parse((await this.lab.sh(`docker compose exec ${host} nlb display --json`)).output) as ClusterStatus;
  }

  /** Mode arp: who holds the virtual IPs, as this host sees it. */
  async holder(host: string): Promise<string | null> {
    return (await this.status(host)).virtualIp!.holder;
  }

  /** By entry host. */
  async fallbackCounts(): Promise<Map<string, number>> {
    const counts = HOSTS.map(async (host) => [host, (await this.status(host)).rules[0]!.fallbackCount] as const);
    return new Map(await Promise.all(counts));
  }

  private async convergedHosts(host: string): Promise<string[]> {
    const status = await this.status(host);
    if (status.state !== 'converged') return [];
    return status.hosts.filter(({ state }) => state === 'converged').map(({ name }) => name);
  }

  allSay(hosts: readonly string[], view: readonly string[]): Promise<boolean> {
    return waitFor(
      `${hosts.join(', ')} converged with ${view.join(', ')}`,
      async () => {
        const seen = await Promise.all(hosts.map((host) => this.convergedHosts(host)));
        return seen.every((names) => names.join() === view.join());
      },
      WAIT_MAX_MS,
    );
  }

  /** All hosts are in the view, and each one's Envoy decides by it. */
  async settled(): Promise<void> {
    await this.allSay(HOSTS, HOSTS);
    const haveTaken = async () => {
      const statuses = await Promise.all(HOSTS.map((host) => this.status(host)));
      return statuses.every(({ envoy, virtualIp }) => envoy.tookConfiguration && !virtualIp?.kernelProblem);
    };
    await waitFor('every Envoy to decide by the view', haveTaken, WAIT_MAX_MS);
  }

  /** Fails where anything is left of what compose made. */
  async expectNothingLeft(): Promise<void> {
    const ours = `--filter label=com.docker.compose.project=${this.project}`;
    for (const list of ['docker ps -aq', 'docker volume ls -q', 'docker network ls -q']) {
      expect((await this.must(`${list} ${ours}`)).trim(), list).toBe('');
    }
  }
}

export function mailServerOf(host: string): string {
  return host.replace('mail', 'postfix');
}

/**
 * Hooks of a suite: a cluster is there before its tests and gone after them, and a failed test shows its logs. Where there can be
 * none, that is said and each test is skipped with the reason.
 *
 * @param what  as in "the compose cluster"
 */
export function useComposeCluster(
  what: string,
  folder: string,
  project: string,
  use: (cluster: ComposeCluster) => void,
): void {
  let cluster: ComposeCluster | null = null;
  let reason: string | null = null;
  beforeAll(async () => {
    const started = await ComposeCluster.start(folder, project);
    if (typeof started === 'string') {
      reason = started;
      console.log(`${what} is not tried: ${reason}`);
      return;
    }
    cluster = started;
    use(started);
  }, LAB_MAX_MS);
  afterAll(() => cluster?.end(), LAB_MAX_MS);
  beforeEach(({ skip }) => {
    if (reason !== null) skip(reason);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') console.log(await cluster!.logs());
  });
}
