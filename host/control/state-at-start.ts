/**
 * What this host is when its sidecar starts: as it was left, and where that is not known or not kept, its initial state. Pure.
 *
 * A sidecar that is started anew (an upgrade, a crash) goes on with the state of before, always: its Envoy may serve meanwhile.
 * Only a start of the machine, where NLB looked at its initial host state, looks at `initialState` and `persistedStates`.
 */
import type { ControlCause } from '../event-number.js';
import { isOut } from '../protocol/host-state.js';
import type { HostConfig, HostState } from '../protocol/types.js';

export interface Remembered {
  hostState: HostState;
  /** Of the start of the machine in which it was last saved; null where that is not known. */
  bootId: string | null;
}

export interface StateAtStart {
  state: HostState;
  cause: ControlCause;
  text: string;
}

/** @param remembered  null where no state was kept */
export function stateAtStart(remembered: Remembered | null, host: HostConfig, bootId: string | null): StateAtStart {
  const initial = host.initialState ?? 'started';
  if (remembered === null) {
    const text = `no state of this host was kept: its initial state is ${initial}`;
    return { state: initial, cause: 'stateNotFound', text };
  }
  const isSameBoot = remembered.bootId === null || bootId === null || remembered.bootId === bootId;
  if (isSameBoot) return asLeft(remembered.hostState);
  // What drained has nothing open any more.
  const left = remembered.hostState === 'draining' ? 'stopped' : remembered.hostState;
  if (host.persistedStates === undefined || host.persistedStates.includes(left)) return asLeft(left);
  const cause = initial === 'started' ? 'stateStarted' : 'stateStopped';
  const text = `the machine was started: this host was ${left}, which persistedStates does not name, and is ${initial} (initialState)`;
  return { state: initial, cause, text };
}

function asLeft(state: HostState): StateAtStart {
  return {
    state,
    cause: isOut(state) ? 'stateStopped' : 'stateStarted',
    text: `this host starts as it was left: ${state}`,
  };
}
