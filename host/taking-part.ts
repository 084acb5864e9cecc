/**
 * What this host says of itself: started, draining or stopped by the administrator, and which of its rules have a service
 * that answers. And what follows when it is on its way out:
 *
 *     started ──drainstop──> draining ──no open connection──> stopped ──in force everywhere──> its Envoy is ended
 *        ^                      │                                │
 *        └────────start─────────┴────────────start───────────────┘
 */
import type { OwnSettings } from './protocol/types.js';

export type HostState = OwnSettings['hostState'];

export interface TakingPartOptions {
  hostState: HostState;
  /** Index-aligned with the rules of the file in force. */
  servicesUp(): boolean[];
  /** Open connections that this host serves or passes on; null where Envoy does not say. */
  openCount(): number | null;
  /** True once what is in force (and taken) gives this host no part in any rule. */
  isOut(): boolean;
  isEnvoyUsable(): boolean;
  post(settings: OwnSettings): void;
  /** Keeps the state over restarts. */
  keep(hostState: HostState): void;
  endEnvoy(): void;
}

/** Looks in a row that must see no open connection: one may be between two Envoys in the moment of a look. */
const QUIET_LOOKS = 2;

export class TakingPart {
  private state: HostState;
  private posted = '';
  private quietLooks = 0;

  constructor(private readonly options: TakingPartOptions) {
    this.state = options.hostState;
  }

  get hostState(): HostState {
    return this.state;
  }

  settings(): OwnSettings {
    const usable = this.options.isEnvoyUsable();
    const rules = this.options.servicesUp().map((up) => ({ enabled: true, serviceUp: up && usable }));
    return { hostState: this.state, rules };
  }

  become(hostState: HostState): void {
    this.state = hostState;
    this.quietLooks = 0;
    this.options.keep(hostState);
    this.say();
  }

  /** Tells the protocol, where there is something new to tell. */
  say(): void {
    const settings = this.settings();
    const text = JSON.stringify(settings);
    if (text === this.posted) return;
    this.posted = text;
    this.options.post(settings);
  }

  /** To be called after each new view and now and then. */
  look(): void {
    this.say();
    if (!this.options.isOut()) return;
    if (this.state === 'stopped') this.options.endEnvoy();
    if (this.state !== 'draining') return;
    const open = this.options.openCount();
    this.quietLooks = open === 0 ? this.quietLooks + 1 : 0;
    if (this.quietLooks >= QUIET_LOOKS) this.become('stopped');
  }
}
