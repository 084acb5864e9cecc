/** R4: two hosts that are converged with one view and decide by different things. It must never be. */
import type { Peer } from './peer.js';
import { problem } from './problems.js';
import { type ProtocolState, toleranceMs } from './state.js';
import { TODO } from './todo.js';
import type { Milliseconds } from './types.js';

/**
 * An alarm only where both say that they are converged with the same view, and decide by different things. A host that leaves
 * follows the others no more, which go on without it.
 */
export function noteDisagreement(state: ProtocolState, nowMs: Milliseconds): void {
  if (state.inForce === null || !state.taken || state.leaving !== null) return;
  for (const peer of state.peers.values()) {
    const { said } = peer;
    if (said === null || peer.link !== 'heard' || said.row.phase !== 'taken') continue;
    const beginning = `host ${peer.config.name} decides otherwise`;
    const isSameNumber = said.inForceNumber === state.inForce.view.number;
    if (isSameNumber && said.confirmedChecksum === state.inForce.view.checksum && isLater(state, peer)) {
      if (said.inForceChecksum === state.inForceChecksum) continue;
      const text = `${beginning}: view ${said.inForceNumber} is ${said.inForceChecksum} there, ${state.inForceChecksum} here`;
      problem(state, nowMs, { cause: 'disagreement', host: peer.config.name, text, todo: TODO.disagreement });
    }
  }
}

/**
 * What changed here, or there before it was heard again, may be on its way for a tolerance, or the answer on the way back; a host
 * that died meanwhile gives none.
 */
function isLater(state: ProtocolState, { saidMs, heardSinceMs }: Peer): boolean {
  return saidMs - Math.max(state.inForceSinceMs, heardSinceMs) >= toleranceMs(state);
}
