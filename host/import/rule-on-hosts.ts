/** One port rule as several hosts tell it: what they say differently, and what somebody had made of it on one of them. */
import type { ImportFinding } from './carry.js';
import type { NlbRule } from './source.js';

export type Say = (kind: ImportFinding['kind'], text: string) => void;

/**
 * What must be the same on all hosts and is not: NLB itself would not have converged.
 *
 * @param tellers  hosts of which port rules were given
 */
export function sayDifferences(same: readonly NlbRule[], tellers: ReadonlySet<string>, say: Say): void {
  const [first, ...others] = same;
  for (const key of ['mode', 'affinity', 'timeoutMinutes'] as const) {
    for (const other of others) {
      if (other[key] === first![key]) continue;
      const was = `${first![key]} on host ${first!.host} and ${other[key]} on host ${other.host}`;
      say('contradiction', `${key} is ${was}: took ${first![key]}`);
    }
  }
  const has = new Set(same.map(({ host }) => host));
  const lacking = has.has(null) ? [] : [...tellers].filter((host) => !has.has(host));
  if (lacking.length > 0) say('contradiction', `is not on host ${lacking.join(', ')}: took it for all hosts`);
}

/** The verb that makes of a rule on one host what NLB's own did. */
const VERBS: Readonly<Record<string, string>> = { disabled: 'disable', draining: 'drain' };

/** What `nlb disable` and `nlb drain` had made of the rule: no part of a cluster file, here as there. */
export function sayStates(same: readonly NlbRule[], port: number, names: ReadonlyMap<string, string>, say: Say): void {
  for (const { host, state, virtualIp } of same) {
    if (state === null || state === 'enabled') continue;
    const was = `was ${state}${host === null ? '' : ` on host ${host}`} when this was captured`;
    const verb = VERBS[state];
    const of = `${virtualIp === null ? '' : ` --vip ${virtualIp}`}${host === null ? '' : ` --host ${names.get(host) ?? host}`}`;
    const again = verb === undefined ? '' : `; once it runs: nlb ${verb} ${port}${of}`;
    say('leftBehind', `${was}: here it is enabled${again}`);
  }
}
