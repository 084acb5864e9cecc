/**
 * nftables by its own program: one text is one transaction, taken whole or not at all.
 *
 * `nft` (Debian, RHEL: package nftables) is asked rather than the kernel: Node.js has no netlink, and what an administrator reads
 * with `nft list ruleset` is then written in the same words. A call takes some 5 ms of its own process; the event loop does not wait.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { EdgeError } from './edge-error.js';
import { noFileReason } from './open-files.js';

/** What `nft -j` answers: objects of one key each (`table`, `chain`, `map`, ...). */
export type NftObject = Record<string, Record<string, unknown>>;

interface CountingElement {
  elem?: { counter?: { packets: number } };
}

export interface ProgramResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** BOUNDED: a program that has not ended by then is killed; the largest map takes about a second on a busy machine. */
const PATIENCE_MS = 10_000;
/** Bit of CAP_NET_ADMIN in /proc/self/status, capabilities(7). */
const CAP_NET_ADMIN = 12n;

/**
 * A change of the kernel's takes a few milliseconds of a processor; on a machine that is busy it would wait ten times that for
 * its turn, and so would clients. Needs CAP_SYS_NICE; without it, it waits its turn.
 */
export function favour(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, -10);
  } catch {
    // As it is, then.
  }
}

/** Runs a program with `input`; never throws for its exit code. `code` null: killed, or it could not be started. */
export function runProgram(command: readonly string[], input = ''): Promise<ProgramResult> {
  const [program, ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, LC_ALL: 'C' } });
    // First of all: where no file is free there is an error, and none of the pipes.
    child.on('error', (error: NodeJS.ErrnoException) => end(null, notStarted(program!, error)));
    favour(child.pid);
    let [stdout, stderr] = ['', ''];
    const patience = setTimeout(() => {
      stderr += `${program} did not end within ${PATIENCE_MS} ms`;
      child.kill('SIGKILL');
    }, PATIENCE_MS);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // It may end before it has read all: its exit code says why.
    child.stdin?.on('error', () => {});
    const end = (code: number | null, more = '') => {
      clearTimeout(patience);
      resolve({ code, stdout, stderr: stderr + more });
    };
    child.on('close', (code) => end(code));
    child.stdin?.end(input);
  });
}

function notStarted(program: string, error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return `${program} is not installed`;
  const noFile = noFileReason(error.code ?? '');
  return noFile === null ? error.message : `${program} cannot be started: ${noFile}`;
}

/** The first line of what a program complained of, without its place in the text we gave it. */
export function complaintOf({ stderr, code }: ProgramResult): string {
  const line = stderr.split('\n').find((one) => one.trim() !== '') ?? `it ended with exit code ${code}`;
  return line.replace(/^\S*:\d+:\d+-\d+: /, '').trim();
}

export class Nft {
  /** @param prefix  what goes before `nft`, for tests in a namespace: `ip netns exec NAME` */
  constructor(private readonly prefix: readonly string[] = []) {}

  /** Puts a text in force in one transaction. Throws KERNEL_REFUSED with what nft said. */
  async run(ruleset: string, what = 'a change of the nftables ruleset'): Promise<void> {
    const result = await runProgram([...this.prefix, 'nft', '-f', '-'], ruleset);
    if (result.code === 0) return;
    throw new EdgeError('KERNEL_REFUSED', `Cannot put ${what} in force: ${complaintOf(result)}`);
  }

  /** The same for a text that begins with what has to be there. False where it is not: nothing has changed then. */
  async runWhereThere(ruleset: string, what: string): Promise<boolean> {
    const result = await runProgram([...this.prefix, 'nft', '-f', '-'], ruleset);
    if (result.code === 0) return true;
    if (/No such file or directory/.test(result.stderr)) return false;
    throw new EdgeError('KERNEL_REFUSED', `Cannot put ${what} in force: ${complaintOf(result)}`);
  }

  /** `nft -j list ...`; an empty array where the thing is not there. */
  async list(...what: string[]): Promise<NftObject[]> {
    const options = what.filter((word) => word.startsWith('-'));
    const words = what.filter((word) => !word.startsWith('-'));
    const result = await runProgram([...this.prefix, 'nft', '-j', ...options, 'list', ...words]);
    if (result.code === 0) return (JSON.parse(result.stdout) as { nftables: NftObject[] }).nftables;
    if (/No such file or directory/.test(result.stderr)) return [];
    throw new EdgeError('KERNEL_REFUSED', `Cannot list ${what.join(' ')} of nftables: ${complaintOf(result)}`);
  }

  /** Packets that met the one element of a set that counts; 0 where it is not there. */
  async countOf(family: string, table: string, set: string): Promise<number> {
    const objects = await this.list('set', family, table, set);
    const [element] = objects.flatMap((object) => (object.set?.elem as CountingElement[] | undefined) ?? []);
    return element?.elem?.counter?.packets ?? 0;
  }

  /**
   * Names of all tables that have a chain. Asked by their chains, because nft 1.0.6 answers `list tables` only after it has fetched
   * every element of every map.
   */
  async tables(): Promise<{ family: string; name: string }[]> {
    const chains = (await this.list('chains')).flatMap(({ chain }) => (chain ? [chain] : []));
    const names = new Set(chains.map(({ family, table }) => `${family} ${table}`));
    return [...names].map((text) => {
      const [family, name] = text.split(' ') as [string, string];
      return { family, name };
    });
  }

  /** Deletes a table with all that is in it; nothing where it is not there. */
  async removeTable(family: string, name: string): Promise<void> {
    await this.run(`add table ${family} ${name}\ndelete table ${family} ${name}\n`, `the removal of table ${name}`);
  }

  /** Why nftables cannot be used here, with what to do; null where it can. */
  async whyNot(): Promise<string | null> {
    if (!mayAdministerNetwork()) {
      return 'nftables needs CAP_NET_ADMIN, which this process does not have: run it as root or with AmbientCapabilities=CAP_NET_ADMIN';
    }
    const result = await runProgram([...this.prefix, 'nft', '-j', 'list', 'chains']);
    if (result.code === 0) return null;
    if (/not installed/.test(result.stderr)) return 'nft is not installed: install the package nftables';
    return `nftables cannot be used here: ${complaintOf(result)}`;
  }
}

/** True where this process has CAP_NET_ADMIN in effect. */
export function mayAdministerNetwork(): boolean {
  const [, effective] = /^CapEff:\s+([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) === 1n;
}
