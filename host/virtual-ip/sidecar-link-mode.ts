/** How the modes are joined to a sidecar: what they ask of it, and what goes before and after each step of its protocol. */
import { isOut } from '../control/own-part.js';
import { contendersOf, countsFromMs, type ProtocolState, saidMs, step } from '../protocol/protocol.js';
import type { HolderClaim } from '../protocol/holder-claim.js';
import type { ClusterFile } from '../protocol/types.js';
import type { Sidecar } from '../sidecar.js';
import { LinkMode } from './link-mode.js';
import type { MulticastMode } from './multicast-mode.js';

/** @param file  the one this host starts with */
export function linkModeOf(sidecar: Sidecar, stateDirectory: string, file: ClusterFile): LinkMode | null {
  if (file.mode !== 'arp') return null;
  const { host, clock, log } = sidecar.options;
  const isRunning = () => sidecar.loop !== undefined;
  return new LinkMode({
    host,
    file: () => (isRunning() ? sidecar.file : file),
    stateDirectory,
    clock,
    log,
    contenders: () => (isRunning() ? contendersOf(sidecar.loop.state, clock.nowMs()) : []),
    saidMs: () => (isRunning() ? saidMs(sidecar.loop.state) : Number.NEGATIVE_INFINITY),
    countsFromMs: () => (isRunning() ? countsFromMs(sidecar.loop.state) : Number.POSITIVE_INFINITY),
    holdBack: () => isRunning() && sidecar.protocol.holdVirtualIpBack,
    isResting: () => isRunning() && sidecar.takingPart.isOff && isOut(sidecar, null),
    isFileShared: () => !isRunning() || sidecar.loop.state.side.outside?.sameFile !== false,
    ranker: sidecar.decision,
    claim: (claim) => sidecar.loop?.post({ kind: 'claim', claim }),
    say: (topic, problem) => sidecar.sayProblem(topic, problem),
    onChange: () => sidecar.changed(),
  });
}

/** What hosts of this mode say in the place of a claim where there is none: in mode routed nobody can hold the virtual IPs. */
export function claimOf({ mode }: ClusterFile): HolderClaim {
  return { holds: false, wish: mode === 'routed' ? 'unable' : 'none' };
}

/** A lease that ran out while this sidecar stood still is no claim any more, before anything else is said. */
export function stepWith(linkMode: LinkMode | null, multicast: MulticastMode | null): typeof step {
  if (multicast !== null) {
    return (state: ProtocolState, event) => {
      const after = step(state, event);
      if (!after.state.resumed) multicast.noteContenders(contendersOf(after.state, event.nowMs));
      return after;
    };
  }
  if (linkMode === null) return step;
  return (state: ProtocolState, event) => {
    const claim = linkMode.claimNow();
    const before = claim === null ? [] : step(state, { kind: 'claim', nowMs: event.nowMs, claim }).effects;
    const after = step(state, event);
    linkMode.look();
    return { state: after.state, effects: [...before, ...after.effects] };
  };
}
