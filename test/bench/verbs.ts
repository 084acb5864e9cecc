/**
 * How long a person waits for `nlb`: every verb as a process of its own, typed at one of three real sidecars, with what Node.js
 * takes for nothing at all (`node -e 0`) beside it in each round.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../e2e/harness/wait.js';
import { PORTS, SidecarCluster, type SidecarHost } from '../e2e/sidecar-cluster.js';
import { align } from './report.js';
import { ROOT } from './root.js';
import { estimateOf } from './statistics.js';

const MAIN = join(ROOT, 'build/host/main.js');
const WANTED_MS = 200;
const HANG_MS = 60_000;

export interface VerbTime {
  verb: string;
  median_ms: number;
  worst_ms: number;
  /** The median less that of `node -e 0`. */
  own_ms: number;
}

export interface VerbsReport {
  rounds: number;
  machine_load: [number, number];
  /** `node -e 0`. */
  node_ms: number;
  over_200ms: string[];
  verbs: VerbTime[];
}

/** What is typed, in an order that leaves the cluster as it was; the second word of a pair is what the verb is called in the table. */
function typed(cluster: SidecarCluster): [string, string?][] {
  const file = cluster.hosts[0]!.filePath;
  const other = join(cluster.directory, 'other.yaml');
  writeFileSync(other, cluster.fileText('{mail1: 10, mail2: 20, mail3: 30}'));
  const made = join(cluster.directory, 'made.yaml');
  const init = `init ${made} --force --cluster a.example.org --host a=10.0.0.11 --host b=10.0.0.12 --rule smtp=25`;
  const port = PORTS.rule;
  return [
    ['--help', '--help'],
    ['query --help', 'query --help'],
    ['query'],
    ['query --host mail2', 'query --host mail2'],
    ['query --all', 'query --all'],
    ['display'],
    ['params'],
    [`queryport ${port}`],
    [`explain 192.0.2.7 --port ${port}`],
    ['clients'],
    ['history'],
    ['revisions'],
    ['plan --drain mail3'],
    ['key list', 'key list'],
    [`token list --config ${file}`, 'token list'],
    ['ip2mac 10.0.0.100'],
    [`check ${file}`],
    [`${init} --service 127.0.0.1:2525 --proxy-protocol v2`],
    [`import ${join(ROOT, 'test/host/fixtures/nlb/params-2003.txt')}`],
    [`apply ${other} --dry-run`, 'apply --dry-run'],
    ['confirm'],
    ['forget mail2'],
    ['move-vip --to mail2'],
    ['reload'],
    [`drain ${port}`],
    [`disable ${port}`],
    [`enable all`],
    ['drainstop'],
    ['start'],
    ['suspend'],
    ['resume'],
    ['start'],
    ['stop'],
    ['start'],
    ['doctor --no-dns'],
  ];
}

/** @param rounds  of all verbs */
export async function measureVerbs(rounds: number, say: (text: string) => void): Promise<VerbsReport> {
  const before = loadavg()[0]!;
  const cluster = new SidecarCluster('127.0.156', 3, true);
  const times = new Map<string, number[]>();
  const keep = (name: string, ms: number) => void times.set(name, [...(times.get(name) ?? []), ms]);
  try {
    await cluster.start();
    const [host] = cluster.hosts as [SidecarHost];
    for (let round = 1; round <= rounds; round++) {
      keep('node -e 0', await timeOf(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' })));
      for (const [line, name = line.split(' ')[0]!] of typed(cluster)) {
        keep(name, await timeOf(nlb([...line.split(' '), ...stateOf(line, host)]), line));
      }
      const picture = await firstPicture(host);
      if (picture !== null) keep('watch, first picture', picture);
      await cluster.converged();
      if (round % 5 === 0) say(`round ${round} of ${rounds}`);
    }
  } finally {
    await cluster.stop();
  }
  return reportOf(times, rounds, [round1(before), round1(loadavg()[0]!)]);
}

/** Verbs that work on files take no state directory. */
function stateOf(line: string, host: SidecarHost): string[] {
  return /^(--help|check|init|import|token) ?/.test(line) ? [] : ['--state-dir', host.stateDir];
}

function nlb(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** Until the process is gone. @throws Error where it did not do what it was asked for: that would be quick for nothing */
async function timeOf(child: ChildProcess, line = 'node'): Promise<number> {
  const startedMs = performance.now();
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    said += part;
  });
  const late = setTimeout(() => child.kill('SIGKILL'), HANG_MS);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearTimeout(late);
  const ms = performance.now() - startedMs;
  // 0 and 1 are answers, 4 is a refusal of what cannot be here (no virtual IP, a host that lives, nothing on trial).
  if (code === 0 || code === 1 || code === 4) return ms;
  throw new Error(`nlb ${line} ended with ${code}: ${said}`);
}

/** In a terminal of its own, which util-linux makes; null where that is not there. */
async function firstPicture(host: SidecarHost): Promise<number | null> {
  const line = `stty cols 80 rows 24; exec '${process.execPath}' '${MAIN}' watch --state-dir '${host.stateDir}'`;
  const startedMs = performance.now();
  const child = spawn('script', ['-qfec', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
  let shown = '';
  let ms: number | null = null;
  let isAbsent = false;
  child.on('error', () => {
    isAbsent = true;
  });
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    shown += part;
    if (ms === null && shown.includes('q ends')) ms = performance.now() - startedMs;
  });
  try {
    await waitFor('the first picture of nlb watch', () => isAbsent || ms !== null, HANG_MS);
    if (isAbsent) return null;
    const ended = new Promise((resolve) => child.on('close', resolve));
    child.stdin.end('q');
    await ended;
  } finally {
    child.kill();
  }
  return ms;
}

function reportOf(times: Map<string, number[]>, rounds: number, machineLoad: [number, number]): VerbsReport {
  const nodeMs = estimateOf(times.get('node -e 0')!).median;
  const verbs = [...times]
    .filter(([name]) => name !== 'node -e 0')
    .map(([verb, all]) => {
      const { median } = estimateOf(all);
      const [own, worst] = [median - nodeMs, Math.max(...all)];
      return { verb, median_ms: round1(median), worst_ms: round1(worst), own_ms: round1(own) };
    });
  const over = verbs.filter(({ median_ms }) => median_ms > WANTED_MS).map(({ verb }) => verb);
  return { rounds, machine_load: machineLoad, node_ms: round1(nodeMs), over_200ms: over, verbs };
}

export function verbsTable({ rounds, node_ms, over_200ms, verbs, machine_load }: VerbsReport): string {
  const rows = verbs.map(({ verb, ...ms }) => [verb, ...[ms.median_ms, ms.own_ms, ms.worst_ms].map(String)]);
  const node = ['node -e 0', String(node_ms), '0', ''];
  const table = align([['nlb', 'median ms', 'less Node.js', 'worst ms'], node, ...rows]);
  const over = over_200ms.length === 0 ? 'none' : over_200ms.join(', ');
  return `${table}\n${rounds} rounds; median over ${WANTED_MS} ms: ${over}; machine load before and after: ${machine_load.join(', ')}`;
}

const round1 = (value: number): number => Number(value.toFixed(1));
