/** The verbs that change the state of this host: start, stop, drainstop, suspend, resume. */
import type { VerbAnswer } from '../admin/api.js';
import type { ControlCause } from '../event-number.js';
import type { HostState, InForce, Milliseconds } from '../protocol/types.js';

/** What they need of the sidecar. */
export interface ControlledHost {
  name: string;
  state(): HostState;
  inForce(): InForce | null;
  /** @param drainForMs  of a drain, at most; null for ever */
  become(state: HostState, drainForMs?: Milliseconds | null): void;
  /** Its Envoy is to serve again. */
  wantEnvoy(): void;
  /** `nlb start --now`: no damping, all its weights at once, on standby nowhere. */
  skipDelay(): void;
  /** Into the log. */
  say(cause: ControlCause, text: string): void;
}

/** BOUNDED: a drain that may take longer is one that may take for ever. */
export const DRAIN_MAX_MS = 7 * 24 * 3600 * 1000;

export class HostControl {
  constructor(private readonly host: ControlledHost) {}

  start(now: boolean): VerbAnswer {
    const { host } = this;
    const state = host.state();
    if (now) host.skipDelay();
    const all = now ? '; with the next view it has all its part of the clients' : '';
    if (state === 'started') return yes(`host ${host.name} is started already${all}`);
    host.wantEnvoy();
    host.become('started');
    if (state === 'draining') return this.done('drainInterrupted', `${this.name} is started again: its drain is over`);
    return this.done(
      'hostStarted',
      `${this.name} is started and takes part with the next view${now ? '' : this.waits()}`,
    );
  }

  stop(): VerbAnswer {
    const { host } = this;
    const state = host.state();
    if (state === 'stopped') return yes(`host ${host.name} is stopped already`);
    host.become('stopped');
    const leaves = `${this.name} leaves; its Envoy is ended when the others know (nlb start brings it back)`;
    return this.done(state === 'draining' ? 'drainInterrupted' : 'hostStopped', leaves + this.lastWords());
  }

  drainstop(timeoutMs: Milliseconds | null): VerbAnswer {
    const { host } = this;
    if (host.state() === 'stopped') return yes(`host ${host.name} is stopped already`);
    host.become('draining', timeoutMs);
    const atMost = timeoutMs === null ? '' : `; what is open in ${timeoutMs / 1000} s is ended`;
    const drains = `${this.name} drains: it takes no new connections and stops when the open ones have ended${atMost}`;
    return this.done('drainStarted', drains + this.lastWords());
  }

  suspend(): VerbAnswer {
    const { host } = this;
    const state = host.state();
    if (state === 'suspended') return yes(`host ${host.name} is suspended already`);
    host.become('suspended');
    const isOff = state === 'stopped';
    const suspended = `${this.name} is suspended: it is stopped, and takes no verb but resume`;
    return this.done('hostSuspended', suspended + (isOff ? '' : this.lastWords()));
  }

  /** As in NLB: it takes verbs again, and nothing else changes. */
  resume(): VerbAnswer {
    const { host } = this;
    const state = host.state();
    if (state !== 'suspended') return yes(`host ${host.name} is not suspended, it is ${state}`);
    host.become('stopped');
    return this.done('hostResumed', `${this.name} takes verbs again and is stopped (nlb start brings it back)`);
  }

  private waits(): string {
    const isHeldBack = this.host.inForce()?.file.portRules.some(({ failback }) => failback === 'never');
    return isHeldBack
      ? '; where others serve it is on standby (failback never; nlb start --now gives it its part)'
      : '';
  }

  private get name(): string {
    return `host ${this.host.name}`;
  }

  private done(cause: ControlCause, text: string): VerbAnswer {
    this.host.say(cause, text);
    return yes(text);
  }

  /** Who takes the last host out should know. */
  private lastWords(): string {
    const inForce = this.host.inForce();
    if (inForce === null) return '';
    const { view, lostSince } = inForce;
    const others = view.hosts.filter(({ name }) => name !== this.host.name && !lostSince.includes(name));
    const isServed = others.some(({ rules }) => rules.some(({ absence }) => absence === null));
    return isServed ? '' : '. No other host takes part: new connections are refused from now on';
  }
}

function yes(text: string): VerbAnswer {
  return { ok: true, text };
}

/** @returns null where none is asked for, undefined where it is no lawful one */
export function timeoutOf(asked: URLSearchParams): Milliseconds | null | undefined {
  const text = asked.get('timeoutMs');
  if (text === null) return null;
  const ms = /^[0-9]{1,10}$/.test(text) ? Number(text) : 0;
  return ms >= 1 && ms <= DRAIN_MAX_MS ? ms : undefined;
}
