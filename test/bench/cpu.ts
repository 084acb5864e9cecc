/** CPU time as the kernel counts it: of some processes with all their threads, and of the whole machine. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second that /proc counts in (sysconf(_SC_CLK_TCK)); 100 on every Linux this runs on. */
const TICKS_PER_SECOND = 100;
const US_PER_TICK = 1_000_000 / TICKS_PER_SECOND;
/** In /proc/PID/sched, ms with six digits after the point. */
const RUNTIME = 'se.sum_exec_runtime';

export interface CpuReading {
  /** User and system time of the proxy's processes. */
  proxyUs: number;
  /** What all CPUs did but idle, waiting for disks, or working for another machine. */
  machineUs: number;
}

export function readCpu(pids: readonly number[]): CpuReading {
  return { proxyUs: pids.reduce((sum, pid) => sum + processUs(pid), 0), machineUs: machineUs() };
}

/**
 * What the scheduler has measured for every thread, in ns; where this kernel does not tell (no CONFIG_SCHED_DEBUG), user and
 * system time in ticks, which is the same sum cut to 10 ms. Threads that ended are missing in the first: proxies keep theirs.
 */
function processUs(pid: number): number {
  if (!TELLS_RUNTIME) return ticksOf(pid) * US_PER_TICK;
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => sum + runtimeMs(`/proc/${pid}/task/${thread}/sched`) * 1000, 0);
}

const TELLS_RUNTIME = existsSync('/proc/self/sched') && readFileSync('/proc/self/sched', 'utf8').includes(RUNTIME);

function runtimeMs(path: string): number {
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((one) => one.startsWith(RUNTIME));
  return Number(line?.split(':')[1]);
}

/** The command's name in parentheses may hold anything, so fields are counted after its end: utime is the 12th, stime the 13th. */
function ticksOf(pid: number): number {
  const fields = afterName(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return Number(fields[11]) + Number(fields[12]);
}

/** `cpu  user nice system idle iowait irq softirq steal guest guest_nice`; guest is within user. */
function machineUs(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + irq + softirq) * US_PER_TICK;
}

/** A process with its descendants: nginx and HAProxy may work in children. */
export function withDescendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean);
  return [pid, ...children.flatMap((child) => withDescendants(Number(child)))];
}

/** Resident memory, bytes. */
export function residentBytes(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

const afterName = (stat: string): string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ');
