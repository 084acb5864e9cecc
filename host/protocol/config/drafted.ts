/** What of a draft is redirected in the kernel: carried.ts, asked before the file is known to be sound. */
import { type Reach, redirectedOf } from './carried.js';
import { DEFAULTS } from './defaults.js';
import type { Draft, RuleDraft } from './draft.js';

type Drafted = Reach & { rule: RuleDraft };

const known = new WeakMap<Draft, ReadonlySet<RuleDraft>>();

/** The rules whose ports are too many for a listener each. */
export function redirectedDrafts(draft: Draft): ReadonlySet<RuleDraft> {
  let redirected = known.get(draft);
  if (redirected === undefined) {
    const found = redirectedOf(reaches(draft), addressesOf(draft));
    redirected = new Set([...found].map(({ rule }) => rule));
    known.set(draft, redirected);
  }
  return redirected;
}

/** Does the kernel have to redirect anything? */
export function isRedirecting(draft: Draft): boolean {
  return draft.otherPorts === 'defaultHost' || redirectedDrafts(draft).size > 0;
}

export function redirectPortOf({ ports }: Pick<Draft, 'ports'>): number {
  return ports.redirect ?? DEFAULTS.redirectPort;
}

function reaches(draft: Draft): Drafted[] {
  return draft.rules.flatMap((rule) =>
    rule.range === undefined
      ? []
      : [{ rule, virtualIp: rule.virtualIp, range: rule.range, isServed: rule.filteringMode !== 'disabled' }],
  );
}

function addressesOf({ listenOn, virtualIps }: Draft): (string | null)[] {
  return listenOn === 'virtualIp' ? virtualIps.map(({ address }) => address) : [null];
}
