/** What `state.json` holds: the protocol's durable state, and what the administrator last wanted of this host. */
import { EdgeError } from './edge/edge-error.js';
import { type DurableState, emptyDurable } from './protocol/events.js';
import type { HostState } from './taking-part.js';

const FORMAT = 1;

export interface SavedState {
  format: typeof FORMAT;
  /** Survives restarts and reboots: who took a host out finds it out. */
  hostState: HostState;
  protocol: DurableState;
}

/** @throws EdgeError STATE_UNREADABLE for another format: never taken for an empty one, which would forget view numbers */
export function savedState(saved: unknown, path: string): SavedState {
  if (saved === null) return { format: FORMAT, hostState: 'started', protocol: emptyDurable() };
  const state = saved as Partial<SavedState>;
  if (state.format === FORMAT && state.protocol && state.hostState) return state as SavedState;
  const text = `Cannot go on from ${path}: its format is ${JSON.stringify(state.format)}, expected ${FORMAT}. Remove it to start this host afresh`;
  throw new EdgeError('STATE_UNREADABLE', text);
}
