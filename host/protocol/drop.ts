/** Packets that cannot be read or believed: counted by reason, and told of where somebody has to look. */
import type { DropReason } from './events.js';
import { problem, solved } from './problems.js';
import type { ProtocolState } from './state.js';
import { DROP_TEXTS, TODO } from './todo.js';
import type { Milliseconds } from './types.js';

/** Counts the packet; one of a cluster is listed with its source too, for a wrong key must not look like silence (R6). */
export function drop(
  state: ProtocolState,
  nowMs: Milliseconds,
  reason: DropReason,
  fromAddress: string,
  bytes: Uint8Array | null = null,
): void {
  state.dropped[reason] += 1;
  const keyId = bytes?.[7] ?? 0;
  const why = DROP_TEXTS[reason]?.(keyId, state) ?? 'they cannot be read';
  const todo = TODO.unverified(reason);
  const peer = [...state.peers.values()].find(({ config }) => config.dedicatedIp === fromAddress);
  if (peer === undefined) {
    const key = `${STRANGER}${fromAddress}`;
    if (!isOfCluster(reason) || !hasRoomFor(state, key)) return;
    const text = `packets from ${fromAddress}, which no host of the cluster file has, are dropped: ${why}`;
    problem(state, nowMs, { cause: 'unverified', host: null, text, todo, key });
    return;
  }
  const { name } = peer.config;
  if (isOfCluster(reason)) peer.foreignMs = nowMs;
  if (reason === 'wrongMac' || reason === 'unknownKey') state.unverified.set(name, nowMs);
  const beginning = `host ${name}: packets from`;
  const text = `${beginning} ${fromAddress} are dropped: ${why}`;
  if (!state.problems.some((each) => each.key === text)) solved(state, beginning);
  problem(state, nowMs, { cause: 'unverified', host: name, text, todo });
}

const STRANGER = 'stranger ';
/** BOUNDED: addresses of strangers on the list; a whole network of them would drown what matters. */
const STRANGERS_MAX = 4;

/** Not merely garbage, as every port gets it. */
function isOfCluster(reason: DropReason): boolean {
  return reason === 'wrongMac' || reason === 'unknownKey' || reason === 'otherCluster';
}

function hasRoomFor(state: ProtocolState, stranger: string): boolean {
  const listed = state.problems.filter(({ key }) => key.startsWith(STRANGER));
  return listed.length < STRANGERS_MAX || listed.some(({ key }) => key === stranger);
}
