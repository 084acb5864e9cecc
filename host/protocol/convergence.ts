/**
 * Agreeing on a view. Nobody leads: each host builds the content from the same rows, confirms it under a number, and
 * the view is in force where all its hosts are seen to confirm the same (number, checksum). Until then the last view
 * stays in force, less the hosts lost since (R4). A host never confirms two checksums under one number (R3).
 */
import { checksumHead, confirms } from './checksum.js';
import { checksumOf, type Content, contentOf, inForceChecksum, viewOf } from './content.js';
import { endWait } from './damping.js';
import { forgetAllDifferences } from './differences.js';
import { awaitOwners } from './letting-go.js';
import { noteOwnRules } from './own-notices.js';
import { isSilent } from './probing.js';
import { noteReturns } from './returns.js';
import { comeBack } from './standby.js';
import { contentOfSide, findSide } from './side.js';
import { problem, solved } from './problems.js';
import { isWaitingHost, notice, persist, type ProtocolState } from './state.js';
import { TODO } from './todo.js';
import type { HostName, InForce, Milliseconds, OwnRule } from './types.js';

/** R11: changes are gathered; this host starts at most one view in this time. */
export const VIEW_GAP_MS = 200;

export function converge(state: ProtocolState, nowMs: Milliseconds): void {
  const before = state.side;
  if (isAboutToBeIn(state, nowMs)) {
    const { fingerprint } = state.known;
    agree(state, nowMs);
    // Hosts and rules are another file's now: with the next event.
    if (state.known.fingerprint !== fingerprint) return;
  }
  state.side = findSide(state, nowMs);
  if (noteReturns(state, nowMs)) state.side = findSide(state, nowMs);
  noteSide(state, nowMs, before);
  if (state.leaving !== null || !isSettled(state, nowMs)) return;
  if (state.isUnsure && state.side.outside === null) {
    if (!state.resumed) dropLost(state, nowMs);
    return;
  }
  state.resumed = false;
  comeBack(state, nowMs);
  const content = contentOfSide(state, nowMs);
  if (state.side.outside !== null) {
    follow(state, nowMs, content);
    return;
  }
  dropLost(state, nowMs);
  propose(state, nowMs, content);
  agree(state, nowMs);
}

/** It waits, and is in a view with others that wait: agreed elsewhere that is in force, and who waits no more there is not to be the only one. */
function isAboutToBeIn(state: ProtocolState, nowMs: Milliseconds): boolean {
  return isWaitingHost(state, nowMs) && state.side.outside === null && state.leaving === null && state.absence === null;
}

/** A host that just started waits one tolerance for the others, unless all are there, some have met already or it has followed their view. */
function isSettled(state: ProtocolState, nowMs: Milliseconds): boolean {
  const { confirmed, inForce, resumed } = state;
  if (nowMs >= state.graceUntilMs) return true;
  if ((confirmed !== null || inForce !== null) && !resumed) return true;
  const { visible, agreeing } = state.side;
  if (visible.length > state.peers.size - state.forgotten.size) return true;
  // One that waits outside has met others, which are still to be met here.
  return agreeing.some((name) => name !== state.self && state.peers.get(name)!.row!.phase !== 'starting');
}

/** R4: who is lost leaves what is in force at once; the view without it follows. */
function dropLost(state: ProtocolState, nowMs: Milliseconds): void {
  const { inForce } = state;
  if (inForce === null) return;
  const gone = inForce.view.hosts
    .map((host) => host.name)
    .filter((name) => !state.side.agreeing.includes(name) && !inForce.lostSince.includes(name));
  if (gone.length === 0) return;
  for (const name of gone) noteGone(state, nowMs, name);
  const lostSince = [...inForce.lostSince, ...gone].sort();
  forgetStarts(state, lostSince);
  state.cause = `${gone.join(', ')} ${state.peers.get(gone[0]!)?.left === true ? 'left' : 'lost'}`;
  putInForce(state, nowMs, { ...inForce, lostSince }, state.inForceText, state.cause);
}

/** Who stays in what is in force while others are lost is no newcomer any more, though it was lost itself before. */
function forgetStarts({ inForce, peers }: ProtocolState, lost: readonly HostName[]): void {
  for (const { name } of inForce!.view.hosts) {
    const peer = lost.includes(name) ? undefined : peers.get(name);
    if (peer !== undefined) peer.lostInstance = null;
  }
}

/** Says why a host is out. Only one that cannot be heard, or cannot hear, is lost; others are seen and stay outside. */
function noteGone(state: ProtocolState, nowMs: Milliseconds, name: HostName): void {
  const peer = state.peers.get(name);
  if (peer === undefined || peer.left) return;
  if (state.side.visible.includes(name)) {
    const why = state.side.speechless.has(name)
      ? 'it does not speak the version of the view'
      : peer.row?.waiting
        ? 'it comes and goes and waits'
        : 'it agrees with others than this host';
    notice(state, nowMs, 'outside', name, `host ${name} is outside: ${why}`);
    return;
  }
  state.lostFrom.set(name, state.inForce?.view.number ?? 0);
  peer.lostInstance = peer.row?.instance ?? null;
  peer.backAs = null;
  const why = state.side.deaf.includes(name)
    ? 'it is heard, but hears none of us'
    : 'neither its sidecar nor its Envoy is heard';
  notice(state, nowMs, 'hostLost', name, `host ${name} is lost: ${why}`, TODO.lost);
}

/** Confirms what the others confirm where it is what this host would say, else says it under a new number. */
function propose(state: ProtocolState, nowMs: Milliseconds, content: Content): void {
  const rows = state.side.agreeing.filter((name) => name !== state.self).map((name) => state.peers.get(name)!.row!);
  const own = state.confirmed?.number ?? 0;
  // Whoever waits outside follows this view, and its numbers must not go back either.
  const outside = state.side.visible.filter((name) => name !== state.self && !state.side.agreeing.includes(name));
  const numbers = [...rows, ...outside.map((name) => state.peers.get(name)!.row!)].map((row) => row.confirmedNumber);
  const highest = Math.max(own, ...numbers);
  const { inForce, confirmed } = state;
  const isSame = confirmed !== null && confirmed.content.text === content.text && highest === own;
  if (isSame && (inForce === null || inForce.view.number !== own || inForce.lostSince.length === 0)) return;
  const head = highest === 0 ? 0 : checksumHead(checksumOf(content, highest));
  const isSaid = rows.some((row) => row.confirmedNumber === highest && row.confirmedHead === head);
  const isLawful = highest > state.highest.number || (highest === state.highest.number && head === state.highest.head);
  if (highest > 0 && isSaid && isLawful && highest > (inForce?.lostSince.length ? inForce.view.number : 0)) {
    confirm(state, nowMs, content, highest);
    return;
  }
  if (nowMs - state.lastProposalMs < VIEW_GAP_MS) return;
  state.lastProposalMs = nowMs;
  confirm(state, nowMs, content, Math.max(highest, state.highest.number) + 1);
}

function confirm(state: ProtocolState, nowMs: Milliseconds, content: Content, number: number): void {
  const checksum = checksumOf(content, number);
  state.confirmed = { content, number, checksum };
  state.highest = { number, head: checksumHead(checksum) };
  persist(state);
  notice(state, nowMs, 'converging', null, `converging on view ${number} with ${state.side.agreeing.join(', ')}`);
}

/** Converging -> converged: all hosts of the view confirm it, save those whose sidecar is silent (R13). */
function agree(state: ProtocolState, nowMs: Milliseconds): void {
  const { confirmed, inForce } = state;
  if (confirmed === null) return;
  if (inForce !== null && inForce.view.number === confirmed.number && inForce.view.checksum === confirmed.checksum)
    return;
  if (!isAgreedElsewhere(state, confirmed) && !isConfirmedByAll(state, nowMs, confirmed)) return;
  const { content, number } = confirmed;
  takeFile(state, nowMs, content);
  for (const { name } of content.hosts) state.lostFrom.delete(name);
  state.absence = null;
  const cause = causeOf(inForce, content, state.cause);
  state.cause = '';
  const view = viewOf(content, number);
  // Where all that are left wait, they serve, and go out again for nobody who comes: that would move all clients there and back.
  endWait(state.hostDamper);
  putInForce(state, nowMs, { file: content.file, view, lostSince: [] }, content.text, cause);
}

/** By every host of it, as this one hears them. */
function isConfirmedByAll(
  state: ProtocolState,
  nowMs: Milliseconds,
  view: NonNullable<ProtocolState['confirmed']>,
): boolean {
  return view.content.hosts.every(({ name }) => {
    if (name === state.self) return true;
    const peer = state.peers.get(name);
    if (peer === undefined || peer.row === null || !state.side.agreeing.includes(name)) return false;
    return confirms(peer.row, view) || isSilent(state, nowMs, peer);
  });
}

/** Another host saw all of them confirm this very view: that settles it here too. */
function isAgreedElsewhere(state: ProtocolState, view: { number: number; checksum: string }): boolean {
  return state.side.agreeing.some((name) => {
    const row = state.peers.get(name)?.row;
    return row != null && confirms(row, view) && (row.phase === 'converged' || row.phase === 'taken');
  });
}

function causeOf(before: InForce | null, content: Content, gathered: string): string {
  if (before === null) return 'first view';
  const had = before.view.hosts.map((host) => host.name);
  const has = content.hosts.map((host) => host.name);
  const came = has.filter((name) => !had.includes(name));
  const went = had.filter((name) => !has.includes(name));
  if (before.view.fingerprint !== content.fingerprint) return 'changed file';
  if (before.view.hosts.length === content.hosts.length && contentOf(content.file, before.view).text === content.text) {
    return 'agreed anew';
  }
  if (went.length > 0) return gathered === '' ? `${went.join(', ')} out` : gathered;
  return came.length > 0 ? `${came.join(', ')} in` : 'changed settings';
}

const NEW_RULE: OwnRule = { control: 'enabled', serviceUp: true };

/** The offered file comes in force with the view that carries it. */
function takeFile(state: ProtocolState, nowMs: Milliseconds, content: Content): void {
  if (content.fingerprint === state.known.fingerprint) return;
  const before = state.known;
  const rules = content.file.portRules.map((rule) => {
    const index = before.file.portRules.findIndex((each) => each.name === rule.name);
    return state.settings.rules[index] ?? NEW_RULE;
  });
  const revision = state.offer?.fingerprint === content.fingerprint ? state.offer.revision : before.revision;
  state.previous = before;
  state.known = { file: content.file, fingerprint: content.fingerprint, revision };
  state.offer = null;
  state.settings = { ...state.settings, rules };
  forgetAllDifferences(state);
  notice(state, nowMs, 'fileInForce', null, `file ${content.fingerprint} is in force, ${before.fingerprint} was`);
}

/**
 * Outside, this host owns nothing and hands off by the cluster's view: by the very same one where the file is the same,
 * by its own file and their hosts where it is not (R8).
 */
function follow(state: ProtocolState, nowMs: Milliseconds, content: Content): void {
  const rows = state.side.agreeing.map((name) => state.peers.get(name)!.row!);
  const theirs = rows.reduce((most, row) => Math.max(most, row.confirmedNumber), 0);
  if (theirs === 0) return;
  const own = state.inForce?.view.number ?? 0;
  const isSameFile = state.side.outside!.sameFile;
  if (isSameFile && theirs < own) return;
  // By its own file it is nobody else's view: its number does not go back, not with a start of this host either (R3).
  const number = isSameFile ? theirs : Math.max(theirs, own, state.highest.number);
  const view = viewOf(content, number);
  if (isSameFile && !rows.every((row) => confirms(row, view))) return;
  if (state.inForce?.view.checksum === view.checksum && state.inForce.lostSince.length === 0) return;
  state.confirmed = null;
  const inForce = { file: content.file, view, lostSince: [] };
  putInForce(state, nowMs, inForce, content.text, 'outside: follows the view of the others');
}

function putInForce(state: ProtocolState, nowMs: Milliseconds, inForce: InForce, text: string, cause: string): void {
  // A loss makes no new number, so nothing has to be on disk first (R3): takeovers do not wait for it.
  const before = state.inForce;
  const isSameView = before?.view.checksum === inForce.view.checksum;
  awaitOwners(state, nowMs, before, inForce);
  state.inForce = inForce;
  // A view that was only followed counts as well: this host's own numbers go on above it (R3).
  const { number, checksum } = inForce.view;
  if (number > state.highest.number) state.highest = { number, head: checksumHead(checksum) };
  state.inForceText = text;
  state.inForceChecksum = inForceChecksum(inForce.view, inForce.lostSince);
  state.inForceSinceMs = nowMs;
  state.inForceCause = cause;
  state.taken = false;
  if (!isSameView) persist(state);
  state.effects.push({ kind: 'inForce', inForce, checksum: state.inForceChecksum, cause });
  if (isSameView) persist(state);
  const less = inForce.lostSince.length === 0 ? '' : ` less ${inForce.lostSince.join(', ')}`;
  const names = inForce.view.hosts.map((host) => host.name).join(', ');
  const defaultHost = inForce.view.hosts.find((host) => !inForce.lostSince.includes(host.name));
  const noticeCause = defaultHost?.name === state.self ? 'viewInForceAsDefault' : 'viewInForce';
  notice(state, nowMs, noticeCause, null, `view ${inForce.view.number} (${names})${less} is in force: ${cause}`);
  noteOwnRules(state, nowMs, before);
}

/** What people have to know of a change of sides. */
function noteSide(state: ProtocolState, nowMs: Milliseconds, before: ProtocolState['side']): void {
  const { side } = state;
  for (const host of side.deaf) {
    if (before.deaf.includes(host)) continue;
    const text = `host ${host} is deaf: it is heard and hears none of us`;
    const todo = TODO.deaf(host, state.known.file.ports.heartbeat);
    problem(state, nowMs, { cause: 'hostDeaf', host, text, todo });
  }
  for (const name of before.deaf) if (!side.deaf.includes(name)) solved(state, `host ${name} is deaf`);
  for (const [host, text] of side.speechless) {
    problem(state, nowMs, { cause: 'contradiction', host, text, todo: TODO.speechless });
  }
  for (const name of before.speechless.keys()) if (!side.speechless.has(name)) solved(state, `host ${name} speaks`);
  if (side.outside !== null) {
    const text = `this host is outside: ${side.outside.reason}`;
    problem(state, nowMs, { cause: 'outside', host: state.self, text, todo: TODO.outside, key: OUTSIDE });
  } else if (before.outside !== null) {
    solved(state, OUTSIDE);
    notice(state, nowMs, 'inside', state.self, 'this host is inside again');
  }
}

const OUTSIDE = 'this host is outside';
