/** What the log says of this host's state when nobody asked for it. Pure. */
import type { ControlCause } from '../event-number.js';
import type { HostState } from '../protocol/types.js';

/** @param isNew  no state was kept: a first start, or the state directory is another one */
export function stateAtStart(isNew: boolean, state: HostState): [ControlCause, string] {
  if (isNew) return ['stateNotFound', `no state of this host was kept: it starts as ${state}`];
  const isOff = state === 'stopped' || state === 'suspended';
  return [isOff ? 'stateStopped' : 'stateStarted', `this host starts as it was left: ${state}`];
}

export function drainEndText(leftCount: number | null): string {
  if (leftCount === 0) return 'the drain is over: no connection is open any more';
  const left = leftCount === null ? 'what is open' : `${leftCount} open connection${leftCount === 1 ? '' : 's'}`;
  return `the drain took as long as it may: ${left} end with Envoy`;
}
