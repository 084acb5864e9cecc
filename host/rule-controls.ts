/**
 * What the administrator said of single port rules on this host (`nlb enable`, `disable`, `drain`). Kept by the rule's name: it
 * follows the rule through every change of the file, is there again after a rollback, and outlives restarts.
 */
import type { RuleControl } from './protocol/types.js';

/** As `state.json` has them: every rule that is not plainly enabled, the last one said at the end. */
export type SavedControls = Record<string, Exclude<RuleControl, 'enabled'>>;

/** BOUNDED: rules that no file in force has any more are remembered too, 32 beside those of a whole file; the oldest goes. */
const CONTROLS_MAX = 64;

export class RuleControls {
  private readonly said: Map<string, Exclude<RuleControl, 'enabled'>>;

  constructor(saved: SavedControls = {}) {
    this.said = new Map(Object.entries(saved));
  }

  of(rule: string): RuleControl {
    return this.said.get(rule) ?? 'enabled';
  }

  set(rule: string, control: RuleControl): void {
    this.said.delete(rule);
    if (control === 'enabled') return;
    this.said.set(rule, control);
    const [oldest] = this.said.keys();
    if (this.said.size > CONTROLS_MAX && oldest !== undefined) this.said.delete(oldest);
  }

  names(control: Exclude<RuleControl, 'enabled'>): string[] {
    return [...this.said].filter(([, said]) => said === control).map(([rule]) => rule);
  }

  saved(): SavedControls {
    return Object.fromEntries(this.said);
  }
}
