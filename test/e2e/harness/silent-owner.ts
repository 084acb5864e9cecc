/**
 * A machine that can fall silent: a network namespace behind a veth pair, whose answers can be thrown away.
 *
 *     this namespace                      namespace nlb-PID
 *     10.78.31.1  nlb-PID ════ veth ════ eth0  10.78.31.2
 *
 * Silence is a blackhole route for the answers inside: packets arrive, nothing ever comes back, no RST, no ICMP.
 */
import { execFileSync } from 'node:child_process';

export interface SilentMachine {
  /** Put before a command that shall run inside. */
  prefix: string[];
  fallSilent(): void;
  speakAgain(): void;
  remove(): void;
}

/** What is missing to build one, or null: printed in place of the test. */
export function whyNoNamespaces(): string | null {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    execFileSync('ip', ['netns', 'list'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'network namespaces need the command ip (package iproute2)';
  }
}

export function buildSilentMachine(prefix: string): SilentMachine {
  const name = `nlb-${process.pid}`;
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  const inside = (...args: string[]) => ip('-n', name, ...args);
  const remove = () => {
    for (const args of [
      ['link', 'del', name],
      ['netns', 'del', name],
    ]) {
      try {
        ip(...args);
      } catch {
        // Already gone: the namespace takes its end of the pair, and so the pair, with it.
      }
    }
  };
  try {
    ip('netns', 'add', name);
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    ip('address', 'add', `${prefix}.1/24`, 'dev', name);
    ip('link', 'set', name, 'up');
    inside('address', 'add', `${prefix}.2/24`, 'dev', 'eth0');
    inside('link', 'set', 'eth0', 'up');
    inside('link', 'set', 'lo', 'up');
  } catch (error) {
    remove();
    throw error;
  }
  return {
    prefix: ['ip', 'netns', 'exec', name],
    fallSilent: () => void inside('route', 'add', 'blackhole', `${prefix}.1/32`),
    speakAgain: () => void inside('route', 'del', 'blackhole', `${prefix}.1/32`),
    remove,
  };
}
