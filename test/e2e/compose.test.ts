/**
 * The compose cluster of envoy/compose, in a Docker engine of our own: its README word for word, then what it promises about
 * many clients and a host that dies under load. Needs root; says so and skips where the engine cannot run.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { explain, inForceOfFile } from '../../host/admin/explain.js';
import type { ClusterStatus } from '../../host/admin/status.js';
import { loadClusterFile } from '../../host/edge/cluster-file.js';
import { loadDecision } from '../../host/edge/decision.js';
import { sleep, waitFor } from './harness/wait.js';
import { Lab } from './lab.js';
import { difference, type Step, stepsOf } from './walkthrough.js';

const README = readFileSync(new URL('../../envoy/compose/README.md', import.meta.url), 'utf8');
const CLUSTER_FILE = fileURLToPath(new URL('../../envoy/compose/config/cluster.yaml', import.meta.url));
const SENDER = fileURLToPath(new URL('compose-mails.pl', import.meta.url));
/** Images are made from nothing the first time, on machines that do other things as well. */
const LAB_MAX_MS = 1_200_000;
const TEST_MAX_MS = 300_000;
/** Bounds a hang of what is asked again and again. */
const WAIT_MAX_MS = 60_000;
/** Of everything that compose makes here; the name stands in envoy/compose/.env. */
const OURS = 'label=com.docker.compose.project=envoy-nlb';
const HOSTS = ['mail1', 'mail2', 'mail3'];

let lab: Lab;
let reason: string | null = null;

/** A question is asked until it is answered as the page shows: the page leaves out the seconds a reader takes. */
async function follow(step: Step): Promise<void> {
  const isQuestion = / nlb (query|display|explain)\b/.test(step.command);
  const endsAt = performance.now() + (isQuestion ? WAIT_MAX_MS : 0);
  for (;;) {
    const { code, output } = await lab.sh(step.command);
    const wrong = difference(step, output);
    if (wrong === null && (step.shown.length > 0 || code === 0)) return;
    if (performance.now() > endsAt) throw new Error(wrong ?? `exit code ${code} of: ${step.command}\n${output}`);
    await sleep(500);
  }
}

async function followAll(heading: string): Promise<void> {
  const steps = stepsOf(README).filter((step) => step.heading === heading);
  expect(steps.length, `commands under "${heading}"`).toBeGreaterThan(0);
  for (const step of steps) await follow(step);
}

interface Sent {
  id: string;
  address: string;
  entryHost: string;
  /** The host that greeted, `-` where none did. */
  servedBy: string;
  accepted: boolean;
  reply: string;
}

async function send(args: string): Promise<Sent[]> {
  const output = await lab.must(`docker compose exec client perl - ${args} <${SENDER}`);
  const lines = output.trim().split('\n');
  return lines.map((line) => {
    const [id = '', address = '', entryHost = '', servedBy = '', ...reply] = line.trim().split(' ');
    return { id, address, entryHost, servedBy, accepted: reply[0] === '250' && reply.includes('queued'), reply: line };
  });
}

/** What is in the mailbox of host N: by the id of each mail, the address that its Received line names. */
async function stored(n: number): Promise<Map<string, string>> {
  const find = `find /var/mail/inbox/new -type f -exec grep -hoE "unknown .10[0-9.]+|^X-Id: .*" {} +`;
  const output = await lab.must(`docker compose exec postfix${n} sh -c '${find}'`);
  const pairs = output.matchAll(/unknown \[([0-9.]+)\r?\n(?:X-Id: (\S+))?/g);
  return new Map([...pairs].flatMap(([, address = '', id]) => (id === undefined ? [] : [[id, address]])));
}

/** A file without the x bit was never finished by postfix: its client has no 250. */
async function queueIsEmpty(): Promise<boolean> {
  const finds = HOSTS.map(
    (_, i) =>
      `docker compose exec postfix${i + 1} find /var/spool/postfix/active /var/spool/postfix/incoming -type f -perm -u+x`,
  );
  return (await lab.must(finds.join(' && '))).trim() === '';
}

/** By the arithmetic itself, from the cluster file. */
async function ownersOf(addresses: readonly string[]): Promise<Map<string, string | null>> {
  const loaded = loadClusterFile(CLUSTER_FILE);
  if (!loaded.ok) throw new Error(`${CLUSTER_FILE} has mistakes`);
  const decision = await loadDecision();
  const inForce = inForceOfFile(loaded.file, decision.version);
  const ask = (client: string) =>
    explain(inForce, null, decision, { client, port: 25, protocol: 'tcp', to: null }, 'file');
  return new Map(addresses.map((address) => [address, ask(address).owner]));
}

/** By entry host. */
async function fallbackCounts(): Promise<Map<string, number>> {
  const counts = HOSTS.map(async (host): Promise<[string, number]> => {
    const { rules } = JSON.parse(
      (await lab.sh(`docker compose exec ${host} nlb display --json`)).output,
    ) as ClusterStatus;
    return [host, rules[0]!.fallbackCount];
  });
  return new Map(await Promise.all(counts));
}

async function convergedHosts(host: string): Promise<string[]> {
  const { output } = await lab.sh(`docker compose exec ${host} nlb query --json`);
  const status = JSON.parse(output) as Pick<ClusterStatus, 'state' | 'hosts'>;
  if (status.state !== 'converged') return [];
  return status.hosts.filter(({ state }) => state === 'converged').map(({ name }) => name);
}

function allSay(hosts: readonly string[], view: readonly string[]): Promise<boolean> {
  return waitFor(
    `${hosts.join(', ')} converged with ${view.join(', ')}`,
    async () => {
      const seen = await Promise.all(hosts.map(convergedHosts));
      return seen.every((names) => names.join() === view.join());
    },
    WAIT_MAX_MS,
  );
}

describe('the compose cluster', { timeout: TEST_MAX_MS }, () => {
  beforeAll(async () => {
    const started = await Lab.start();
    if (typeof started === 'string') {
      reason = started;
      console.log(`the compose cluster is not tried: ${reason}`);
      return;
    }
    lab = started;
    await lab.must('docker compose down -v -t 0');
  }, LAB_MAX_MS);

  afterAll(async () => {
    await lab?.sh('docker compose down -v -t 0');
    await lab?.end();
  }, LAB_MAX_MS);

  beforeEach(({ skip }) => {
    if (reason !== null) skip(reason);
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail')
      console.log((await lab.sh('docker compose logs --tail 60 mail1 mail2 mail3')).output);
  });

  for (const heading of ['Start it', 'Send mail', 'Kill a host', 'Drain a host']) {
    it(`does what its README says: ${heading}`, () => followAll(heading));
  }

  it('runs sidecar and Envoy without rights', async () => {
    const output = await lab.must("docker compose exec mail1 sh -c 'grep -h ^Uid /proc/[0-9]*/status'");
    const users = output
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/).slice(1));
    expect(users.length).toBeGreaterThan(2);
    expect(users.flat()).not.toContain('0');
  });

  it('leads each client address to one host, through whichever it enters, and stores its mail there', async () => {
    const fallbacksBefore = await fallbackCounts();
    const sent = await send(`130 60 4 once ${HOSTS.join(' ')}`);
    expect(sent).toHaveLength(180);
    expect(sent.filter(({ accepted }) => !accepted)).toEqual([]);
    const owners = await ownersOf(sent.map(({ address }) => address));
    expect([...new Set(owners.values())].sort()).toEqual(HOSTS);
    const astray = sent.filter(({ address, servedBy }) => servedBy !== owners.get(address));
    // A machine so busy that an owner was silent for a second: the entry host serves, and has counted it.
    const fallbacks = await fallbackCounts();
    for (const host of HOSTS) {
      const here = astray.filter(({ servedBy, entryHost }) => servedBy === host && entryHost === host);
      expect(here.length, `fallbacks of ${host}`).toBe(fallbacks.get(host)! - fallbacksBefore.get(host)!);
    }
    expect(astray.filter(({ servedBy, entryHost }) => servedBy !== entryHost)).toEqual([]);
    await waitFor('empty queues', queueIsEmpty, WAIT_MAX_MS);
    for (const [i, host] of HOSTS.entries()) {
      const mails = await stored(i + 1);
      for (const { id, address } of sent.filter(({ servedBy }) => servedBy === host))
        expect(mails.get(id), id).toBe(address);
    }
  });

  it('loses no accepted mail, and only what a host was serving, when that host is killed under load', async () => {
    const workerCount = 4;
    const until = '/tmp/enough';
    const sending = send(`130 60 ${workerCount} ${until} mail1 mail3`);
    await waitFor('mails on mail2', async () => (await stored(2)).size > 60 + 5, WAIT_MAX_MS);
    await lab.must('docker compose kill mail2 postfix2');
    await allSay(['mail1', 'mail3'], ['mail1', 'mail3']);
    await lab.must('docker compose start mail2 postfix2');
    await allSay(HOSTS, HOSTS);
    await lab.must(`docker compose exec client touch ${until}`);
    const sent = await sending;
    const failed = sent.filter(({ accepted }) => !accepted);
    console.log(`${sent.length} mails, ${failed.length} failed: ${failed.map(({ reply }) => reply).join('; ')}`);
    // Each worker had at most one session open when mail2 died.
    expect(failed.length).toBeLessThanOrEqual(workerCount);
    await waitFor('empty queues', queueIsEmpty, WAIT_MAX_MS);
    const inboxes = await Promise.all(HOSTS.map((_, i) => stored(i + 1)));
    const missing = sent.filter(({ id, accepted }) => accepted && !inboxes.some((mails) => mails.has(id)));
    expect(missing).toEqual([]);
  });

  it('does what its README says: End it', async () => {
    await followAll('End it');
    expect((await lab.must(`docker ps -aq --filter ${OURS}`)).trim()).toBe('');
    expect((await lab.must(`docker volume ls -q --filter ${OURS}`)).trim()).toBe('');
  });
});
