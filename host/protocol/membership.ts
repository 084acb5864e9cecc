/**
 * Packets in: who sent it, is it fresh, what does it tell of the others (R1, R5, R6, R7). What cannot be read or
 * believed is counted by reason and never acted on.
 */
import { drop } from './drop.js';
import { noteOwnPacket } from './foreign.js';
import { forgetDifferences, isOnItsWay, noteDifferences, sayDifferences } from './differences.js';
import { decodeHeartbeat, type Heartbeat, type Row } from './heartbeat.js';
import { backAs, isOfThePast, isRetired, judge, type Peer, retireStart, rowChanged, takeRow } from './peer.js';
import { noteOwnName } from './rival.js';
import { takePulse } from './pulse.js';
import { type Header, type MessageType, open } from './seal.js';
import { sendFile, sendTo } from './sending.js';
import { problem, solved } from './problems.js';
import { hearsNames, notice, peerByHash, periodMs, type ProtocolState, toleranceMs } from './state.js';
import { TODO } from './todo.js';
import type { Milliseconds } from './types.js';

export function receive(state: ProtocolState, nowMs: Milliseconds, fromAddress: string, bytes: Uint8Array): void {
  const opened = open(bytes, state.known.file.clusterName, state.authenticator, state.versions);
  if (!opened.ok) {
    drop(state, nowMs, opened.reason, fromAddress, bytes);
    return;
  }
  const { header, body } = opened;
  if (header.senderHash === state.selfHash) {
    state.dropped.ownName += 1;
    const own = isHeartbeat(header.type) ? decodeHeartbeat(body, state.selfHash, header.versions) : null;
    if (own !== null) noteOwnName(state, nowMs, fromAddress, own);
    return;
  }
  const peer = peerByHash(state, header.senderHash);
  if (peer === undefined) {
    receiveUnknown(state, nowMs, fromAddress, header, body);
    return;
  }
  if (peer.config.dedicatedIp !== fromAddress) {
    const { name, priority, dedicatedIp } = peer.config;
    const text = `host ${name}: priority ${priority} is claimed from ${fromAddress}, configured is ${dedicatedIp}`;
    problem(state, nowMs, { cause: 'claimedName', host: name, text, todo: TODO.claimedName(fromAddress) });
    state.dropped.wrongAddress += 1;
    return;
  }
  if (header.type === 'file') {
    receiveFile(state, nowMs, peer, body);
    return;
  }
  if (header.type === 'pulse') {
    const taken = takePulse(nowMs, peer, body);
    if (taken === 'malformed') drop(state, nowMs, taken, fromAddress);
    else if (taken !== 'taken') state.dropped[taken] += 1;
    return;
  }
  const heartbeat = decodeHeartbeat(body, header.senderHash, header.versions);
  if (heartbeat === null) {
    drop(state, nowMs, 'malformed', fromAddress);
    return;
  }
  receiveHeartbeat(state, nowMs, peer, header, heartbeat);
}

/** File and pulse have bodies of their own. */
function isHeartbeat(type: MessageType): boolean {
  return type !== 'file' && type !== 'pulse';
}

function receiveUnknown(
  state: ProtocolState,
  nowMs: Milliseconds,
  from: string,
  header: Header,
  body: Uint8Array,
): void {
  state.dropped.unknownHost += 1;
  if (!isHeartbeat(header.type)) return;
  const heartbeat = decodeHeartbeat(body, header.senderHash, header.versions);
  if (heartbeat === null || state.offer?.file.hosts.some((host) => host.name === heartbeat.name)) return;
  const name = heartbeat.name === '' ? 'of an unknown name' : heartbeat.name;
  const text = `host ${name} (${from}) has the cluster key and is not listed in this host's file`;
  problem(state, nowMs, { cause: 'contradiction', host: null, text, todo: TODO.unlisted(name) });
}

/** What the other's file says otherwise. Only from the proven instance, only newer than what is known. */
function receiveFile(state: ProtocolState, nowMs: Milliseconds, peer: Peer, body: Uint8Array): void {
  if (body.length < 12) {
    drop(state, nowMs, 'malformed', peer.config.dedicatedIp);
    return;
  }
  // After a start of this host it may come before what proves whose it is; it comes again.
  if (peer.row === null) {
    state.dropped.notFresh += 1;
    return;
  }
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const sequence = view.getUint32(8);
  const isFurtherPart = sequence === peer.fileTold?.sequence && peer.fileTold.file === peer.row.file;
  if (view.getBigUint64(0) !== peer.row.instance || (sequence <= peer.row.sequence && !isFurtherPart)) {
    state.dropped.replayed += 1;
    return;
  }
  peer.fileTold = { sequence, file: peer.row.file };
  peer.row.sequence = Math.max(peer.row.sequence, sequence);
  if (isOnItsWay(state, nowMs, peer.row.file)) return;
  const { name } = peer.config;
  noteDifferences(state, name, peer.row.file, body.subarray(12));
  sayDifferences(state, nowMs, name);
}

function receiveHeartbeat(
  state: ProtocolState,
  nowMs: Milliseconds,
  peer: Peer,
  header: Header,
  heartbeat: Heartbeat,
): void {
  const { row } = heartbeat;
  const echoesMe = echoes(state, heartbeat);
  const freshness = judge(peer, row, echoesMe);
  if (freshness === 'replayed') {
    state.dropped.replayed += 1;
    return;
  }
  if (freshness === 'candidate' || (freshness === 'restarted' && isInUse(state, nowMs, peer))) {
    noteRunsTwice(state, nowMs, peer, row, freshness === 'restarted');
    if (freshness === 'candidate') state.dropped.notFresh += 1;
    answerCandidate(state, nowMs, peer, row);
    return;
  }
  takeDirect(state, nowMs, peer, heartbeat, freshness === 'restarted');
  for (const told of heartbeat.rows) takeTold(state, nowMs, peer, told);
  if (peer.row!.file !== state.known.fingerprint.slice(0, 4)) sendFile(state, nowMs, peer);
  else forgetDifferences(state, peer.config.name);
  answer(state, nowMs, peer, header, heartbeat);
}

/** R7: it names this host's random instance, so it was made after this host started. */
function echoes(state: ProtocolState, heartbeat: Heartbeat): boolean {
  if (heartbeat.echoes.includes(state.instance)) return true;
  return heartbeat.rows.some((row) => row.nameHash === state.selfHash && row.instance === state.instance);
}

/**
 * R5: the instance that is heard stays; a new one of the same name has to wait until it is silent for a period. Or deaf: of two
 * machines with one address, one alone gets what is sent there, and hosts that stay with different ones never agree.
 */
function isInUse(state: ProtocolState, nowMs: Milliseconds, peer: Peer): boolean {
  const isDeaf = peer.deafSinceMs !== null && nowMs - peer.deafSinceMs >= toleranceMs(state);
  return !peer.left && !isDeaf && peer.link === 'heard' && nowMs - peer.directMs < periodMs(state);
}

/**
 * A retired instance that goes on counting is alive, and so is a proven one beside the one that is heard all the time: one name,
 * one address, two sidecars.
 */
function noteRunsTwice(state: ProtocolState, nowMs: Milliseconds, peer: Peer, row: Row, isProven: boolean): void {
  const { candidate } = peer;
  const isLasting = candidate?.instance === row.instance && nowMs - candidate.firstMs >= toleranceMs(state);
  if (!isRetired(peer, row) && !(isProven && isLasting)) return;
  const { name, dedicatedIp } = peer.config;
  const text = `host ${name}: two sidecars send from ${dedicatedIp}, expected one`;
  problem(state, nowMs, { cause: 'claimedName', host: name, text, todo: TODO.claimedName(dedicatedIp) });
}

/** Shows the start its own instance, so that its next packet can be proven; at most ten times a period. */
function answerCandidate(state: ProtocolState, nowMs: Milliseconds, peer: Peer, row: Row): void {
  const { candidate } = peer;
  const isSame = candidate?.instance === row.instance;
  const answeredMs = isSame ? candidate.answeredMs : Number.NEGATIVE_INFINITY;
  const isDue = nowMs - answeredMs >= periodMs(state) / 10 || (candidate === null && answeredMs < 0);
  peer.candidate = {
    instance: row.instance,
    sequence: row.sequence,
    answeredMs: isDue ? nowMs : answeredMs,
    firstMs: isSame ? candidate.firstMs : nowMs,
    lastMs: nowMs,
  };
  if (isDue) sendTo(state, nowMs, peer, 'answer', 0);
}

function takeDirect(
  state: ProtocolState,
  nowMs: Milliseconds,
  peer: Peer,
  heartbeat: Heartbeat,
  restarted: boolean,
): void {
  const { name } = peer.config;
  const { row } = heartbeat;
  noteChange(state, peer, row);
  takeRow(peer, row, hearsOf(state, peer, row));
  peer.said = heartbeat;
  peer.saidMs = nowMs;
  if (restarted || peer.link !== 'heard') peer.heardSinceMs = nowMs;
  peer.directMs = nowMs;
  peer.advancedMs = nowMs;
  peer.suspicion = null;
  state.changed ||= peer.link !== 'heard';
  state.unverified.delete(name);
  noteOwnPacket(state, nowMs, peer);
  if (row.leaving) {
    noteLeft(state, nowMs, peer);
    return;
  }
  if (restarted) notice(state, nowMs, 'hostRestarted', name, `host ${name}: its sidecar was started anew`);
  if (peer.link === 'held') notice(state, nowMs, 'sidecarBack', name, `host ${name}: its sidecar is heard again`);
  if (peer.link === 'none') {
    peer.backAs = backAs(row, heartbeat.inForceNumber);
    notice(state, nowMs, 'hostHeard', name, `host ${name} is heard`);
  }
  if (peer.link !== 'heard') solved(state, `host ${name}: packets from`);
  peer.link = 'heard';
}

function noteLeft(state: ProtocolState, nowMs: Milliseconds, peer: Peer): void {
  if (!peer.left) notice(state, nowMs, 'hostLeft', peer.config.name, `host ${peer.config.name} left on purpose`);
  peer.left = true;
  peer.link = 'none';
}

/** A row that another brought. It advances nobody's life but by the sequence of the host itself (R1). */
function takeTold(state: ProtocolState, nowMs: Milliseconds, teller: Peer, row: Row): void {
  if (row.nameHash === state.selfHash) {
    takeToldOfMe(state, row);
    return;
  }
  const peer = peerByHash(state, row.nameHash);
  if (peer === undefined || !row.proven || isOfThePast(peer, row)) return;
  const known = peer.row;
  if (known !== null && known.instance === row.instance) {
    if (row.sequence <= known.sequence) return;
    peer.advancedMs = nowMs;
  } else if (known !== null) {
    // Nor one that was told of just now: two hosts that know two dead instances would swap them for ever, at once (R12).
    const idleMs = nowMs - Math.max(peer.advancedMs ?? Number.NEGATIVE_INFINITY, peer.directMs, peer.toldMs);
    if (idleMs < periodMs(state)) return;
    // And of two that nobody hears any more, all keep the same.
    if (!teller.hears.has(peer.config.name) && row.instance < known.instance) return;
    peer.advancedMs = null;
    retireStart(peer);
  }
  if (known?.instance !== row.instance) peer.toldMs = nowMs;
  noteChange(state, peer, row);
  peer.hears = hearsOf(state, peer, row);
  peer.row = { ...row };
  if (row.leaving) noteLeft(state, nowMs, peer);
}

/** A life of this host before the state directory was lost still counts: its numbers are not used again (R3). */
function takeToldOfMe(state: ProtocolState, row: Row): void {
  if (row.instance === state.instance || row.confirmedNumber <= state.highest.number) return;
  state.highest = { number: row.confirmedNumber, head: row.confirmedHead };
}

function hearsOf(state: ProtocolState, peer: Peer, row: Row): ReadonlySet<string> {
  const isSame = peer.row !== null && peer.row.hears === row.hears && peer.row.file === row.file;
  return isSame ? peer.hears : hearsNames(state, row);
}

/** News for hosts that do not hear its source have to be passed on at once, not with the next heartbeat (R12). */
function noteChange(state: ProtocolState, peer: Peer, row: Row): void {
  if (!rowChanged(peer.row, row)) return;
  state.changed = true;
  const { name } = peer.config;
  for (const other of state.peers.values()) {
    if (other === peer || other.link === 'none' || other.hears.has(name)) continue;
    state.sending.forwardDue = true;
    return;
  }
}

function answer(state: ProtocolState, nowMs: Milliseconds, peer: Peer, header: Header, heartbeat: Heartbeat): void {
  for (const asker of peer.askedBy) {
    const other = state.peers.get(asker);
    if (other !== undefined) sendTo(state, nowMs, other, 'answer', 0);
  }
  peer.askedBy.clear();
  if (header.type !== 'probe') return;
  const asked = heartbeat.about === 0 ? undefined : peerByHash(state, heartbeat.about);
  if (asked === undefined || asked === peer) {
    sendTo(state, nowMs, peer, 'answer', 0);
    return;
  }
  asked.askedBy.add(peer.config.name);
  sendTo(state, nowMs, asked, 'probe', 0);
}
