/**
 * At the end of each life, on a whole cluster and a fair network: what is promised of time. One thing happens after the
 * other, and each has to be in force, or to be no news at all, within what design.md says of it.
 */
import { VIEW_GAP_MS } from '../../host/protocol/convergence.js';
import { fail } from './checkers.js';
import type { Cluster, SimHost } from './cluster.js';
import { variantOf } from './files.js';
import { revises } from './drill-revisions.js';
import { LARGE, wholeWithinMs } from './liveness.js';
import { pick } from './random.js';
import { settle } from './settings.js';

/** R12: a change is sent at once; a tick and its answer are the most it waits, half a period. */
const PROMPT_PERIODS = 0.5;
const PROMPT_MIN_MS = 60;
/** A death: 1.2 periods and no less than 450 ms of silence, a knock that runs out, a tick. */
const DEATH_PERIODS = 2;
const DEATH_MORE_MS = 500;
/** R13. */
const SILENT_MAX_MS = 60_000;

export function drill(cluster: Cluster, periodMs: number): void {
  const group = agreeing(cluster);
  const host = pick(cluster.random, group);
  const [other, third] = group.filter((each) => each !== host);
  if (other === undefined) return;
  const rest = group.filter((each) => each !== host);
  stopsService(cluster, host, group, periodMs);
  unnoticed(cluster, group, `${host.name} stood still for 0.9 periods`, () => {
    cluster.stall(host, periodMs * 0.9);
    cluster.run(periodMs * 3);
  });
  if (cluster.seed % 3 === 1) changesFiles(cluster, group, periodMs);
  if (cluster.seed % 3 === 2) revises(cluster, group, periodMs);
  if (cluster.seed % 5 === 1) {
    wakesUp(cluster, host, periodMs);
    return;
  }
  if (group.length < LARGE) restarts(cluster, host, rest, periodMs);
  if (third !== undefined) {
    if (cluster.seed % 4 === 2) claims(cluster, third, other, periodMs);
    if (cluster.seed % 2 === 0 || group.length >= LARGE) leaves(cluster, third, [host, other], periodMs);
    else goesDeaf(cluster, third, host, other, periodMs);
    cluster.kill(third);
  }
  if (cluster.seed % 8 === 0 && periodMs === 1000 && group.length <= 5 && other.state!.side.outside === null)
    endsSilence(cluster, host, other);
  cluster.kill(host);
  cluster.run(periodMs * DEATH_PERIODS + DEATH_MORE_MS);
  checkOut(cluster, host, [other], 'died');
  if (group.length < LARGE) flaps(cluster, other, periodMs);
  staysDead(cluster, host, other, periodMs);
}

/** R13, and what it is for: an upgrade. */
function restarts(cluster: Cluster, host: SimHost, others: SimHost[], periodMs: number): void {
  unnoticed(cluster, others, `the sidecar of ${host.name} was started anew`, () => {
    cluster.killSidecar(host);
    cluster.run(periodMs * 4);
    cluster.start(host);
    // Until a tolerance after its start it is not sure whether it was missed.
    cluster.run(periodMs * 6);
  });
}

/** The hosts of one view, that of the first host which is in one. */
export function agreeing(cluster: Cluster): SimHost[] {
  const inside = cluster.hosts.filter(({ state }) => state !== null && state.side.outside === null);
  return inside.filter(({ state }) => state!.inForceChecksum === inside[0]!.state!.inForceChecksum);
}

function promptMs(periodMs: number): number {
  return Math.max(periodMs * PROMPT_PERIODS, PROMPT_MIN_MS);
}

export function setService(cluster: Cluster, host: SimHost, index: number, serviceUp: boolean): void {
  const rules = host.settings.rules.map((rule, i) => (i === index ? { ...rule, serviceUp } : rule));
  settle(cluster, host, { ...host.settings, rules });
}

/** Whether what `asked` has in force says so of a rule of `host`. */
export function takesPart(asked: SimHost, host: SimHost, index: number): boolean {
  const part = asked.state!.inForce!.view.hosts.find((each) => each.name === host.name);
  return part?.rules[index]?.absence === null;
}

function stopsService(cluster: Cluster, host: SimHost, group: SimHost[], periodMs: number): void {
  const index = host.settings.rules.findIndex((_, i) => takesPart(host, host, i));
  if (index < 0) return;
  setService(cluster, host, index, false);
  losesFirst(cluster, periodMs);
  cluster.run(promptMs(periodMs));
  const late = group.find((each) => takesPart(each, host, index));
  if (late === undefined) {
    tellsThePast(cluster, host, group, periodMs);
    return;
  }
  fail(cluster, `${late.name} does not know after ${promptMs(periodMs)} ms that a service of ${host.name} is down`);
}

/** R12: a change is repeated with the next ticks, so it comes though its first packet, and all others of a tick, are lost. */
function losesFirst(cluster: Cluster, periodMs: number): void {
  if (cluster.seed % 2 === 0) return;
  cluster.weather.loss = 1;
  cluster.run(periodMs / 20);
  cluster.weather.loss = 0;
}

/** R7: what a host said before is sent again as it was, by somebody on the wire, while it lives. */
function tellsThePast(cluster: Cluster, host: SimHost, group: SimHost[], periodMs: number): void {
  unnoticed(cluster, group, `old packets of ${host.name} came again`, () => {
    for (const each of group) {
      const sequence = () => each.state!.peers.get(host.name)?.row?.sequence ?? 0;
      const before = sequence();
      sendAgain(cluster, host, each);
      if (sequence() < before) fail(cluster, `${each.name} takes an old packet of ${host.name} for its newest`);
    }
    cluster.run(periodMs);
  });
}

/**
 * R7: a host that died is not brought back by its old packets, not even to one that was started anew and remembers none of them.
 * Nobody else is there: who still tells of the dead one vouches for its last packet.
 */
function staysDead(cluster: Cluster, dead: SimHost, other: SimHost, periodMs: number): void {
  for (const each of cluster.all) if (each !== other) cluster.kill(each);
  cluster.run(periodMs / 4);
  cluster.killSidecar(other);
  cluster.start(other);
  for (let quarter = 0; quarter < 12; quarter++) {
    sendAgain(cluster, dead, other);
    cluster.run(periodMs / 4);
    const { link } = other.state!.peers.get(dead.name)!;
    if (link === 'heard') fail(cluster, `${other.name} takes ${dead.name} for alive by its old packets`);
  }
}

function sendAgain(cluster: Cluster, from: SimHost, to: SimHost): void {
  // The ring has a hole at its start until it is full.
  for (const packet of [...cluster.recorded]) {
    if (packet?.from === from.address && packet.to === to) cluster.deliver(to, packet.from, packet.bytes);
  }
}

/**
 * R8: a file, the one before it, that file again: each is offered once the last is in force everywhere, when some have not heard of
 * that yet. No host is left out in between.
 */
function changesFiles(cluster: Cluster, group: SimHost[], periodMs: number): void {
  const [before] = group.map(({ onDisk }) => onDisk);
  const isOneFile = cluster.all.every(({ onDisk }) => onDisk.fingerprint === before!.fingerprint);
  if (!isOneFile || group.length < cluster.all.length) return;
  const next = variantOf(before!.file, 1001);
  for (const known of [next, before!, next, before!]) {
    for (const host of group) cluster.after(cluster.random() * 4, () => cluster.offer(host, known));
    const until = cluster.now + wholeWithinMs(periodMs, 5);
    while (group.some(({ state }) => state!.inForce!.view.fingerprint !== known.fingerprint)) {
      cluster.run(1);
      const out = group.find(({ state }) => state!.inForce!.lostSince.length > 0 || state!.side.outside !== null);
      if (out !== undefined) fail(cluster, `${out.name} is apart from others while all get the same new file`);
      if (cluster.now > until)
        fail(cluster, `a new file is not in force ${wholeWithinMs(periodMs, 5)} ms after it was offered`);
    }
  }
}

/** R9: it stood still, what was sent to it meanwhile is gone, and it misses nobody. What the others think of it is another thing. */
function wakesUp(cluster: Cluster, host: SimHost, periodMs: number): void {
  cluster.stall(host, periodMs * 3);
  cluster.run(periodMs * 2.99);
  host.waiting = [];
  cluster.run(periodMs * 0.2);
  const [missed] = host.state!.inForce!.lostSince;
  if (missed !== undefined) fail(cluster, `${host.name} stood still for 3 periods and takes ${missed} for dead`);
}

/** R5: packets in its name from another address are no sign of its life, and are told. */
function claims(cluster: Cluster, host: SimHost, other: SimHost, periodMs: number): void {
  host.claimsAddress = '10.0.9.9';
  cluster.run(periodMs * 2);
  host.claimsAddress = null;
  const told = cluster
    .status(other)!
    .problems.some(({ text }) => text.startsWith(`host ${host.name}:`) && text.includes('is claimed from 10.0.9.9'));
  if (!told) fail(cluster, `${other.name} does not say that the name of ${host.name} is claimed from another address`);
  cluster.run(periodMs * 3);
}

function leaves(cluster: Cluster, host: SimHost, others: SimHost[], periodMs: number): void {
  cluster.give(host, { kind: 'leave', nowMs: cluster.clock(host) });
  cluster.run(promptMs(periodMs));
  checkOut(cluster, host, others, 'left on purpose');
}

/**
 * R2: who is heard and hears nobody is out after a tolerance, and does not keep the others busy. R4: who dies meanwhile is out
 * at once, though no view can be agreed as long as the deaf one is waited for.
 */
function goesDeaf(cluster: Cluster, deaf: SimHost, dying: SimHost, other: SimHost, periodMs: number): void {
  for (const each of cluster.all) cluster.cuts.add(`${each.name}>${deaf.name}`);
  cluster.kill(dying);
  cluster.run(periodMs * DEATH_PERIODS + DEATH_MORE_MS);
  checkOut(cluster, dying, [other], 'died');
  cluster.run(periodMs * 6);
  checkOut(cluster, deaf, [other], 'hears none of them');
  cluster.run(periodMs * 5);
  unnoticed(cluster, [other], `${deaf.name} is deaf`, () => cluster.run(periodMs * 10));
}

/** Something happens, and nobody's view changes, but by a file that was on its way. */
export function unnoticed(cluster: Cluster, hosts: SimHost[], what: string, happen: () => void): void {
  // What happened before is seen to its end.
  cluster.run(VIEW_GAP_MS * 2);
  const before = hosts.map(({ state }) => ({ checksum: state!.inForceChecksum, file: state!.known.fingerprint }));
  happen();
  const changed = hosts.find(({ state }, i) => {
    const { checksum, file } = before[i]!;
    return state!.inForceChecksum !== checksum && state!.known.fingerprint === file;
  });
  if (changed !== undefined) fail(cluster, `${changed.name} changed its view because ${what}`);
}

function checkOut(cluster: Cluster, host: SimHost, others: SimHost[], why: string): void {
  const late = others.find((each) => {
    const { view, lostSince } = each.state!.inForce!;
    return view.hosts.some(({ name }) => name === host.name) && !lostSince.includes(host.name);
  });
  if (late !== undefined) fail(cluster, `${late.name} still has ${host.name} in force, which ${why}`);
}

/** R13 ends: an Envoy alone keeps its share for a minute and not for ever. */
function endsSilence(cluster: Cluster, host: SimHost, other: SimHost): void {
  cluster.killSidecar(host);
  cluster.run(SILENT_MAX_MS * 0.98);
  const isKept = other.state!.inForce!.view.hosts.some(({ name }) => name === host.name);
  if (!isKept) fail(cluster, `${other.name} took the share of ${host.name}, whose Envoy answers, before a minute`);
  cluster.run(SILENT_MAX_MS * 0.08);
  checkOut(cluster, host, [other], 'was silent for longer than a minute');
}

/** R11: the first return of a service is free, the second within ten minutes waits, 10 s at least. */
function flaps(cluster: Cluster, host: SimHost, periodMs: number): void {
  const index = host.settings.rules.findIndex((_, i) => takesPart(host, host, i));
  if (index < 0) return;
  const { failback } = host.state!.known.file.portRules[index]!;
  Object.assign(host.state!.ruleDampers[index]!, { returnCount: 0, waitUntilMs: 0, wasUp: true });
  for (const serviceUp of [false, true, false, true]) {
    const { returnCount } = host.state!.ruleDampers[index]!;
    setService(cluster, host, index, serviceUp);
    cluster.run(promptMs(periodMs) + 200);
    if (serviceUp && returnCount === 0 && failback !== 'never' && !takesPart(host, host, index))
      fail(cluster, `a service of ${host.name} came back for the first time and waits`);
  }
  cluster.run(periodMs * 3);
  if (takesPart(host, host, index)) fail(cluster, `a service of ${host.name} came and went and was let in at once`);
}
