/**
 * Which part of the buckets each host owns, by rule. A table takes some 50 ms of work, so rules with the same hosts and
 * weights share one, it is made in slices of the event loop (decision.ts), again only when something changed, and only
 * when that is done: a host that died is out of all views before its share is counted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostName, InForce, PortRule, RulePart } from '../protocol/types.js';
import { scoredHost } from '../protocol/seats.js';
import type { Decision, ScoredHost } from './decision.js';

export type SharesByRule = ReadonlyMap<string, ReadonlyMap<HostName, number>>;

interface Part {
  name: HostName;
  part: RulePart;
}

/** A change of view is over by then, or the next one has come. */
const COUNT_AFTER_MS = 500;

export class Shares {
  private current: SharesByRule = new Map();
  private counting = false;
  private wanted: InForce | null = null;
  /** BOUNDED: the tables of the last count; a count keeps what it needs and forgets the rest. */
  private known = new Map<string, ReadonlyMap<HostName, number>>();

  constructor(
    private readonly decision: Decision,
    private readonly onCounted: () => void,
  ) {}

  get byRule(): SharesByRule {
    return this.current;
  }

  /** BOUNDED: one count at a time, of the newest. */
  countFor(inForce: InForce): void {
    this.wanted = inForce;
    if (this.counting) return;
    this.counting = true;
    void this.count();
  }

  private async count(): Promise<void> {
    while (this.wanted) {
      if (this.current.size > 0) await sleep(COUNT_AFTER_MS, undefined, { ref: false });
      const inForce = this.wanted;
      this.wanted = null;
      const known = new Map<string, ReadonlyMap<HostName, number>>();
      const shares = new Map<string, ReadonlyMap<HostName, number>>();
      for (const [index, rule] of inForce.file.portRules.entries()) {
        shares.set(rule.name, await this.sharesOf(rule, partsOf(inForce, index), inForce.file.hashSeed, known));
      }
      this.known = known;
      this.current = shares;
      this.onCounted();
    }
    this.counting = false;
  }

  private async sharesOf(
    rule: PortRule,
    parts: readonly Part[],
    hashSeed: number,
    known: Map<string, ReadonlyMap<HostName, number>>,
  ): Promise<ReadonlyMap<HostName, number>> {
    if (rule.filteringMode === 'disabled' || parts.length === 0) return new Map();
    if (rule.filteringMode === 'single') {
      const [first] = [...parts].sort((a, b) => a.part.handlingPriority - b.part.handlingPriority);
      return new Map(first ? [[first.name, 1]] : []);
    }
    const hosts: ScoredHost[] = parts.map(({ name, part }) => scoredHost(name, part));
    const key = JSON.stringify([hashSeed, hosts]);
    const shares = known.get(key) ?? this.known.get(key) ?? (await this.decision.shares(hosts, hashSeed));
    known.set(key, shares);
    return shares;
  }
}

/** The hosts that take part in a rule by what is in force. */
function partsOf({ view, lostSince }: InForce, index: number): Part[] {
  return view.hosts.flatMap((host) => {
    const part = host.rules[index];
    return part && part.absence === null && !lostSince.includes(host.name) ? [{ name: host.name, part }] : [];
  });
}
