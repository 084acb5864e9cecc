import { execFileSync } from 'node:child_process';
import type { NetworkHost } from './network.js';

/** BOUNDED: what a program may say; a host's whole ruleset is some MB. */
const SAID_MAX = 64 << 20;

/**
 * Runs a program in the namespace of a host.
 *
 * @returns what it said
 * @throws  where it ends with another exit code than 0
 */
export function inside({ namespace }: NetworkHost, ...command: string[]): string {
  return execFileSync('ip', ['netns', 'exec', namespace, ...command], { encoding: 'utf8', maxBuffer: SAID_MAX });
}
