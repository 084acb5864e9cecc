/**
 * `--pin`: proxies have the last CPU to themselves, clients and services the others. Nothing moves between the CPUs' caches then, and
 * the kernel's own work for a packet is done where its sender runs, so two variants differ by what they do.
 */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';

/** @throws Error where this machine has a single CPU, or does not allow it */
export function pin(proxies: readonly number[], load: number): void {
  const last = cpus().length - 1;
  if (last < 1)
    throw new Error('Cannot pin proxies and load to different CPUs: this machine has 1, expected at least 2');
  for (const pid of proxies) bind(pid, String(last));
  bind(load, last === 1 ? '0' : `0-${last - 1}`);
}

/** With all its threads. */
function bind(pid: number, cpuList: string): void {
  const { status, stderr, error } = spawnSync('taskset', ['-acp', cpuList, String(pid)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`Cannot bind process ${pid} to CPU ${cpuList}: ${error?.message ?? stderr.trim()}`);
}
