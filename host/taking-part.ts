/**
 * What this host says of itself: its state and that of its rules as the administrator wants them, and which of them have a
 * service that answers. And what follows when it is on its way out:
 *
 *     started ──drainstop──> draining ──no open connection, or time is up──> stopped ──in force everywhere──> Envoy is ended
 *        ^                      │                                              │  ^
 *        ├────────start─────────┴──────────────────start───────────────────────┘  │
 *        └──────────────suspend──────────────> suspended ────────resume───────────┘
 *
 * A rule that is disabled here, or all of a host that is out, has its open connections ended by closing its gate (gates.ts), once
 * everybody knows that nothing more is to be sent here.
 */
import { type OpenSeen, QuietDrain } from './control/drain-end.js';
import { RuleDrains } from './control/rule-drains.js';
import { isOut } from './protocol/host-state.js';
import type { HostState, Milliseconds, OwnSettings, RuleControl } from './protocol/types.js';
import type { RuleControls, SavedControls } from './rule-controls.js';

export interface Kept {
  hostState: HostState;
  ruleControls: SavedControls;
  /** How long a drain may still take; null where it may take for ever. */
  drainLeftMs: Milliseconds | null;
  /** And that of single port rules. */
  ruleDrainsLeftMs: Record<string, Milliseconds>;
}

export interface TakingPartOptions {
  hostState: HostState;
  controls: RuleControls;
  drainLeftMs: Milliseconds | null;
  ruleDrainsLeftMs: Record<string, Milliseconds>;
  nowMs(): Milliseconds;
  /** Index-aligned with the rules of the file in force. */
  services(): { rule: string; up: boolean }[];
  /** Open connections that this host serves or passes on, and when Envoy was asked; null where it does not say. */
  openSeen(): OpenSeen | null;
  /** True once what is in force (and taken) gives this host no part in that rule; null for every rule. */
  isOut(rule: string | null): boolean;
  /** And all other hosts decide by it too. */
  isKnownEverywhere(): boolean;
  isEnvoyUsable(): boolean;
  /** Whether Envoy was last seen to use the service of that rule, and when; null where no Envoy runs. */
  gateSeen(rule: string): { isOpen: boolean; atMs: Milliseconds } | null;
  /** @returns false where nobody hears it yet: it is told again */
  post(settings: OwnSettings): boolean;
  /** Keeps it over restarts. */
  keep(kept: Kept): void;
  endEnvoy(): void;
  /** Closes the gates of these rules and no others. @returns those that were closed and open now */
  closeGates(rules: ReadonlySet<string>): string[];
  /** @param leftCount  connections that end with Envoy, because the drain took as long as it may; null where it is not known */
  drainEnded(leftCount: number | null): void;
  /** Its time is up: it is disabled from now on. */
  ruleDrainEnded(rule: string): void;
}

/** A host that never says that it has the view keeps no disabled rule's connections open, and no drain from ending, for longer. */
const KNOWN_EVERYWHERE_MAX_MS = 5000;

export class TakingPart {
  private state: HostState;
  private posted = '';
  private quiet = new QuietDrain();
  private stateSinceMs: Milliseconds;
  private drainEndsMs: Milliseconds | null;
  /** Since when what is in force gives this host no part in them; null for all rules of a host that drains. */
  private readonly outSinceMs = new Map<string | null, Milliseconds>();
  /** Rules whose gates were opened, and when: not brought in before Envoy is seen to use their services again. */
  private readonly opening = new Map<string, Milliseconds>();
  private closed: ReadonlySet<string>;
  private readonly ruleDrains: RuleDrains;

  constructor(private readonly options: TakingPartOptions) {
    const nowMs = options.nowMs();
    this.state = options.hostState;
    this.stateSinceMs = nowMs;
    this.drainEndsMs = options.drainLeftMs === null ? null : nowMs + options.drainLeftMs;
    this.ruleDrains = new RuleDrains(options.ruleDrainsLeftMs, nowMs);
    this.closed = new Set(options.controls.names('disabled'));
    options.closeGates(this.closed);
  }

  get hostState(): HostState {
    return this.state;
  }

  /** Stopped or suspended: out on purpose, and without an Envoy of its own. */
  get isOff(): boolean {
    return isOut(this.state);
  }

  /** Since when it drains and until when at most; null where it does not. */
  get drain(): { sinceMs: Milliseconds; endsMs: Milliseconds | null } | null {
    return this.state === 'draining' ? { sinceMs: this.stateSinceMs, endsMs: this.drainEndsMs } : null;
  }

  controlOf(rule: string): RuleControl {
    return this.options.controls.of(rule);
  }

  settings(): OwnSettings {
    const usable = this.options.isEnvoyUsable();
    const rules = this.options.services().map(({ rule, up }) => {
      const control = this.controlOf(rule);
      const isOpening = control === 'enabled' && this.opening.has(rule);
      return { control, serviceUp: up && usable, ...(isOpening ? { isOpening } : {}) };
    });
    return { hostState: this.state, rules };
  }

  /** @param drainForMs  of a drain: what is left then is ended; null waits for ever */
  become(hostState: HostState, drainForMs: Milliseconds | null = null): void {
    const nowMs = this.options.nowMs();
    if (hostState !== this.state) this.stateSinceMs = nowMs;
    this.state = hostState;
    this.drainEndsMs = hostState === 'draining' && drainForMs !== null ? nowMs + drainForMs : null;
    this.quiet = new QuietDrain();
    this.outSinceMs.delete(null);
    this.changed();
  }

  /** @param drainForMs  of a drain: what is open then is ended, and the rule is disabled; null waits for ever */
  control(rules: readonly string[], control: RuleControl, drainForMs: Milliseconds | null = null): void {
    const endMs = control === 'draining' && drainForMs !== null ? this.options.nowMs() + drainForMs : null;
    for (const rule of rules) {
      this.options.controls.set(rule, control);
      this.ruleDrains.set(rule, endMs);
    }
    this.changed();
  }

  /** Until when a rule drains at most; null where it does not, or may for ever. */
  ruleDrainEndMs(rule: string): Milliseconds | null {
    return this.ruleDrains.endOf(rule);
  }

  /** Tells the protocol, where there is something new to tell. */
  say(): void {
    const settings = this.settings();
    const text = JSON.stringify(settings);
    if (text === this.posted) return;
    if (this.options.post(settings)) this.posted = text;
  }

  /** To be called after each new view and now and then. */
  look(): void {
    this.lookAtRuleDrains();
    this.lookAtGates();
    this.say();
    if (!this.options.isOut(null)) {
      this.outSinceMs.delete(null);
      return;
    }
    if (this.isOff) this.options.endEnvoy();
    if (this.state === 'draining') this.lookAtDrain();
  }

  private changed(): void {
    const { nowMs, controls, keep } = this.options;
    const drainLeftMs = this.drainEndsMs === null ? null : this.drainEndsMs - nowMs();
    const ruleDrainsLeftMs = this.ruleDrains.leftMs(nowMs());
    keep({ hostState: this.state, ruleControls: controls.saved(), drainLeftMs, ruleDrainsLeftMs });
    this.lookAtGates();
    this.say();
  }

  private lookAtDrain(): void {
    const nowMs = this.options.nowMs();
    const seen = this.options.openSeen();
    const isQuiet = this.isToldToAll(null) && this.quiet.note(seen, nowMs);
    const isTimeUp = this.drainEndsMs !== null && nowMs >= this.drainEndsMs;
    if (!isQuiet && !isTimeUp) return;
    this.options.drainEnded(seen?.count ?? null);
    this.become('stopped');
  }

  private lookAtRuleDrains(): void {
    const ended = this.ruleDrains.takeEnded(this.options.nowMs());
    if (ended.length === 0) return;
    for (const rule of ended) {
      this.options.ruleDrainEnded(rule);
      this.options.controls.set(rule, 'disabled');
    }
    this.changed();
  }

  private lookAtGates(): void {
    const rules = this.options.services().map(({ rule }) => rule);
    const closed = new Set(rules.filter((rule) => this.isToBeClosed(rule)));
    for (const [rule, atMs] of this.opening) if (closed.has(rule) || this.isUsed(rule, atMs)) this.opening.delete(rule);
    if (closed.size === this.closed.size && [...closed].every((rule) => this.closed.has(rule))) return;
    this.closed = closed;
    const nowMs = this.options.nowMs();
    for (const rule of this.options.closeGates(closed)) if (!this.isUsed(rule, nowMs)) this.opening.set(rule, nowMs);
  }

  /** An Envoy that starts checks its gates before it takes connections. */
  private isUsed(rule: string, sinceMs: Milliseconds): boolean {
    const seen = this.options.gateSeen(rule);
    return seen === null || (seen.isOpen && seen.atMs > sinceMs);
  }

  /** A gate that is closed stays so while the rule is disabled, whatever is in force meanwhile. */
  private isToBeClosed(rule: string): boolean {
    const isWanted = this.isOff || this.controlOf(rule) === 'disabled';
    if (isWanted && this.closed.has(rule)) return true;
    if (!isWanted || !this.options.isOut(rule)) {
      this.outSinceMs.delete(rule);
      return false;
    }
    return this.isToldToAll(rule);
  }

  /** To be asked while it is out of them: whether no host sends it anything any more. */
  private isToldToAll(rule: string | null): boolean {
    const nowMs = this.options.nowMs();
    const sinceMs = this.outSinceMs.get(rule) ?? nowMs;
    this.outSinceMs.set(rule, sinceMs);
    return this.options.isKnownEverywhere() || nowMs - sinceMs >= KNOWN_EVERYWHERE_MAX_MS;
  }
}
