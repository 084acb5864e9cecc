/** Members of HashiCorp's memberlist (the Go module in memberlist/), one in each namespace of a test network. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNetwork, type Network, type NetworkHost } from './network.js';

export interface Member {
  host: NetworkHost;
  process: ChildProcess;
  logPath: string;
}

export interface MemberlistCluster {
  network: Network;
  members: Member[];
  /** Names in the lines that begin with `word`. */
  linesOf(member: Member, word: 'alive' | 'dead'): Set<string>;
  remove(): void;
}

let program: string | null = null;

/** Builds the member once a process; removed when it ends. Null where it can be built, else why not. */
export function whyNoMemberlist(): string | null {
  if (program !== null) return null;
  if (spawnSync('go', ['version']).status !== 0) return 'no Go on PATH (1.20 or newer)';
  const here = dirname(fileURLToPath(import.meta.url));
  const beside = join(here, 'memberlist');
  const source = existsSync(beside) ? beside : join(here, '../../../test/netns/memberlist');
  const directory = mkdtempSync(join(tmpdir(), 'nlb-memberlist-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'memberlist');
  const { status, stderr } = spawnSync('go', ['build', '-trimpath', '-o', path, '.'], {
    cwd: source,
    encoding: 'utf8',
  });
  if (status !== 0) return `go build failed: ${stderr.trim()}`;
  program = path;
  return null;
}

export function startMemberlist(hostCount: number): MemberlistCluster {
  const network = createNetwork(hostCount);
  const directory = mkdtempSync(join(tmpdir(), 'nlb-memberlist-log-'));
  const [first] = network.hosts as [NetworkHost];
  const members = network.hosts.map((host) => {
    const logPath = join(directory, host.name);
    const logFd = openSync(logPath, 'a');
    const joins = host === first ? [] : [first.address];
    const member = network.spawn(host, program!, [host.name, host.address, ...joins], logFd);
    closeSync(logFd);
    return { host, process: member, logPath };
  });
  return {
    network,
    members,
    linesOf: ({ logPath }, word) => {
      const lines = readFileSync(logPath, 'utf8').split('\n');
      return new Set(lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1)));
    },
    remove: () => {
      for (const member of members) member.process.kill('SIGKILL');
      network.remove();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
