/**
 * The protocol of the hosts as one machine: `step(state, event)` gives the effects. No clock, timer, socket or chance in
 * here; the state belongs to the machine and is changed in place. docs/decisions/0005 has the bytes, R1-R13 the rules.
 *
 * R10, where a kernel accepts by bucket, needs an old owner to let go before a new one takes: letting-go.ts.
 */
import { hash32 } from './checksum.js';
import { contentOf, inForceChecksum } from './content.js';
import { converge } from './convergence.js';
import { forgive, newDamper, newRuleDamper } from './damping.js';
import { sayDifferencesAnew } from './differences.js';
import { noteDisagreement } from './disagreement.js';
import { type CreateArguments, type Effect, emptyDurable, type OfferEvent, type ProtocolEvent } from './events.js';
import { forget, recall } from './forgotten.js';
import { giveBack, giveRules } from './giving.js';
import { awaitAfterAbsence, giveLeave, newLettingGo, noteLapse } from './letting-go.js';
import { receive } from './membership.js';
import { noteAlone } from './own-notices.js';
import { takeSettings } from './own-settings.js';
import { newPeer } from './peer.js';
import { noteEnvoyAnswer, probe } from './probing.js';
import { updateReports } from './report.js';
import { newComingBack } from './returning.js';
import { OWN_VERSIONS } from './seal.js';
import { sendWhatIsDue } from './sending.js';
import { keepingTime, noteSleep } from './sleep.js';
import { forgetUnseen, problem } from './problems.js';
import { noDrops, notice, persist, type ProtocolState } from './state.js';
import { TODO } from './todo.js';
import type { Milliseconds } from './types.js';
import { speaksDecision } from './versions.js';

export { contendersOf, countsFromMs, saidMs } from './holder.js';
export { whyNotForgotten } from './forgotten.js';
export { statusOf } from './report.js';
export { tickDueMs } from './tick-due.js';
export type { ProtocolState } from './state.js';

export function createState(args: CreateArguments): ProtocolState {
  const { nowMs, self } = args;
  const foreign = foreignOwner(args);
  const durable = foreign === null ? args.durable : emptyDurable();
  // A file put on the disk by hand has no number of its own.
  const own = { file: args.file, fingerprint: args.fingerprint, revision: durable.revision };
  const earlier = durable.inForce;
  const isSameFile = earlier === null || earlier.view.fingerprint === args.fingerprint;
  const known = isSameFile ? own : { ...own, file: earlier.file, fingerprint: earlier.view.fingerprint };
  const state: ProtocolState = {
    self,
    selfHash: hash32(self),
    instance: args.instance,
    authenticator: args.authenticator,
    versions: args.versions ?? OWN_VERSIONS,
    known,
    offer: isSameFile ? null : { ...own, without: [] },
    previous: null,
    settings: args.settings,
    claim: args.claim ?? { holds: false, wish: 'none' },
    peers: new Map(),
    peersByHash: new Map(),
    changed: true,
    sequence: 0,
    startedMs: nowMs,
    ...keepingTime(nowMs),
    graceUntilMs: nowMs + known.file.heartbeat.periodMs * known.file.heartbeat.missedMax,
    highest: { number: durable.highestNumber, head: durable.highestHead },
    confirmed: null,
    inForce: null,
    inForceText: '',
    inForceChecksum: '',
    inForceSinceMs: nowMs,
    inForceCause: '',
    taken: false,
    lettingGo: newLettingGo(),
    resumed: false,
    absence: null,
    isUnsure: false,
    side: {
      visible: [self],
      deaf: [],
      agreeing: [self],
      versions: { protocol: 0, decision: 0 },
      speechless: new Map(),
      known,
      outside: null,
    },
    saidAlone: false,
    lostFrom: new Map(),
    forgotten: new Set(durable.forgotten),
    hostDamper: newDamper(durable.returnCount, nowMs),
    ruleDampers: known.file.portRules.map((_, i) => newRuleDamper(args.settings.rules[i]?.serviceUp ?? false, nowMs)),
    comingBack: newComingBack(durable, nowMs, args.isFresh ?? false),
    leaving: null,
    sending: nothingSent(),
    lastProposalMs: Number.NEGATIVE_INFINITY,
    dropped: noDrops(),
    problems: [],
    rival: null,
    unverified: new Map(),
    reports: new Map(),
    differences: new Map(),
    fileSentMs: new Map(),
    cause: '',
    effects: [],
  };
  matchPeers(state);
  if (foreign !== null) sayCopied(state, nowMs, foreign);
  else if (earlier !== null) resume(state, nowMs, earlier);
  updateReports(state, nowMs);
  return state;
}

function sayCopied(state: ProtocolState, nowMs: Milliseconds, foreign: string): void {
  const text = `the state directory was written for ${foreign}: it is not used`;
  problem(state, nowMs, { cause: 'stateCopied', host: state.self, text, todo: TODO.stateCopied });
}

function nothingSent(): ProtocolState['sending'] {
  const never = Number.NEGATIVE_INFINITY;
  const none = { pulseCount: 0, lastKey: '', isHeldBack: false, repeatLeft: 0, forwardDue: false };
  return { lastMs: never, lastPulseMs: never, ...none };
}

/** Whose the state is where it is not this host's, in words; a copy would say another's numbers or go on with another's file. */
function foreignOwner({ durable, self, file }: CreateArguments): string | null {
  if (durable.self !== null && durable.self !== self) return `host ${durable.self}, this is ${self}`;
  const { clusterName } = durable;
  if (clusterName === null || clusterName === file.clusterName) return null;
  return `cluster ${clusterName}, this is ${file.clusterName}`;
}

/** Goes on with the view of the life before: this host's Envoy decides by it all the time. */
function resume(state: ProtocolState, nowMs: Milliseconds, earlier: NonNullable<ProtocolState['inForce']>): void {
  const { view, lostSince, file } = earlier;
  if (!view.hosts.some((host) => host.name === state.self)) return;
  // Upgraded past it: the others are met as after a first start.
  if (!speaksDecision(state.versions, view.decisionVersion)) return;
  const content = contentOf(file, view);
  state.confirmed = { content, number: view.number, checksum: view.checksum };
  state.resumed = true;
  state.absence = { viewNumber: view.number, untilMs: state.graceUntilMs };
  for (const name of lostSince) state.lostFrom.set(name, view.number);
  state.inForce = earlier;
  awaitAfterAbsence(state, nowMs);
  const names = view.hosts.map((host) => host.name).join(', ');
  notice(state, nowMs, 'started', state.self, `goes on with view ${view.number} (${names}) of its earlier life`);
  state.effects.push({
    kind: 'inForce',
    inForce: earlier,
    checksum: inForceOf(state, earlier, content.text),
    cause: 'resumed',
  });
}

export function step(state: ProtocolState, event: ProtocolEvent): { state: ProtocolState; effects: Effect[] } {
  const { nowMs } = event;
  const fingerprint = state.known.fingerprint;
  // Most packets say nothing new but that their sender lives: those end here.
  state.changed ||= event.kind !== 'packet';
  noteSleep(state, nowMs);
  noteLapse(state, nowMs);
  handle(state, event);
  if (state.changed) {
    state.changed = false;
    converge(state, nowMs);
    if (state.forgotten.size > 0) recall(state);
    if (state.known.fingerprint !== fingerprint) matchPeers(state);
    if (event.kind === 'tick') {
      noteDisagreement(state, nowMs);
      sayDifferencesAnew(state, nowMs);
    }
    updateReports(state, nowMs);
    noteAlone(state, nowMs);
    giveLeave(state, nowMs);
    sendWhatIsDue(state, nowMs, event.kind === 'tick');
  }
  const { effects } = state;
  state.effects = [];
  return { state, effects };
}

function handle(state: ProtocolState, event: ProtocolEvent): void {
  const { nowMs } = event;
  switch (event.kind) {
    case 'tick':
      forgetUnseen(state, nowMs);
      probe(state, nowMs);
      return;
    case 'packet':
      receive(state, nowMs, event.fromAddress, event.bytes);
      return;
    case 'settings':
      takeSettings(state, nowMs, event.settings);
      return;
    case 'claim':
      state.claim = event.claim;
      return;
    case 'offer':
      takeOffer(state, nowMs, event);
      return;
    case 'withdraw':
      if (state.offer?.fingerprint === event.fingerprint) state.offer = null;
      return;
    case 'taken':
      if (event.checksum === state.inForceChecksum) state.taken = true;
      return;
    case 'envoyAnswer': {
      const peer = state.peers.get(event.host);
      if (peer !== undefined) noteEnvoyAnswer(peer, event.answered);
      return;
    }
    case 'leave':
      state.leaving ??= { sinceMs: nowMs, viewNumber: state.confirmed?.number ?? 0 };
      persist(state);
      return;
    case 'forget':
      forget(state, nowMs, event.host);
      return;
    case 'start':
      forgive(state.hostDamper);
      for (const damper of state.ruleDampers) forgive(damper);
      giveBack(state);
      return;
    case 'give':
      giveRules(state, event.rules);
      return;
  }
}

function takeOffer(state: ProtocolState, nowMs: Milliseconds, event: OfferEvent): void {
  const { file, fingerprint, revision = state.known.revision, without = [] } = event;
  // What the cluster distributes never goes back behind what is in force.
  if (revision < state.known.revision) return;
  if (fingerprint === state.known.fingerprint) {
    state.offer = null;
    if (revision === state.known.revision) return;
    state.known = { ...state.known, revision };
    persist(state);
    notice(state, nowMs, 'fileInForce', null, `file ${fingerprint}, which is in force, is revision ${revision}`);
    return;
  }
  state.offer = { file, fingerprint, revision, without };
  notice(
    state,
    nowMs,
    'fileOffered',
    state.self,
    `file ${fingerprint} is offered, ${state.known.fingerprint} is in force`,
  );
}

/** After a change of file: hosts and rules that stay keep what is known of them. */
function matchPeers(state: ProtocolState): void {
  const peers = new Map<string, ReturnType<typeof newPeer>>();
  for (const config of state.known.file.hosts) {
    if (config.name === state.self) continue;
    const known = state.peers.get(config.name);
    if (known !== undefined) known.config = config;
    peers.set(config.name, known ?? newPeer(config, hash32(config.name)));
  }
  state.peers = peers;
  for (const name of state.lostFrom.keys()) if (!peers.has(name)) state.lostFrom.delete(name);
  state.peersByHash = new Map([...peers.values()].map((peer) => [peer.nameHash, peer]));
  const before = (state.previous ?? state.known).file.portRules.map(({ name }) => name);
  state.ruleDampers = state.known.file.portRules.map(
    ({ name }) => state.ruleDampers[before.indexOf(name)] ?? newRuleDamper(false, state.startedMs),
  );
}

function inForceOf(state: ProtocolState, earlier: NonNullable<ProtocolState['inForce']>, text: string): string {
  state.inForce = earlier;
  state.inForceText = text;
  state.inForceChecksum = inForceChecksum(earlier.view, earlier.lostSince);
  state.inForceCause = 'resumed';
  return state.inForceChecksum;
}
