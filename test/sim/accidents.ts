/** What happens to hosts and networks: one random accident at a time, told in the verbs of scenarios. */
import type { Cluster, SimHost } from './cluster.js';
import { applyAtAll } from './apply.js';
import { variantOf } from './files.js';
import { pick } from './random.js';
import { allAtOnce, controlRule, drain, flapService, settleAnew, suspend } from './settings.js';
import { OWN_VERSIONS } from '../../host/protocol/seal.js';

type Accident = (cluster: Cluster, host: SimHost, periodMs: number) => string;

export function accident(cluster: Cluster, periodMs: number): void {
  const host = pick(cluster.random, cluster.all);
  const [kind, happen] = pick(cluster.random, ACCIDENTS);
  const told = happen(cluster, host, periodMs);
  cluster.story.push(told);
  if (told !== NOTHING) cluster.accidents.set(kind, (cluster.accidents.get(kind) ?? 0) + 1);
}

/** What is told of an accident that could not happen. */
export const NOTHING = 'nothing';

/** Starts come twice: about as many hosts are up as down. */
const ACCIDENTS: readonly (readonly [kind: string, Accident])[] = [
  ['host dies', kill],
  ['sidecar dies', killSidecar],
  ['crash between disk and wire', crash],
  ['start', start],
  ['start', start],
  ['start', start],
  ['state directory lost', wipe],
  ['state directory copied', copyDirectory],
  ['stall', stall],
  ['one-way cut', cutOneWay],
  ['partition', partition],
  ['line or ring', line],
  ['cuts healed', heal],
  ['cuts healed', heal],
  ['loss and delay', weather],
  ['host state and services', settleAnew],
  ['service', flapService],
  ['services of all hosts', allAtOnce],
  ['drain', drain],
  ['suspend', suspend],
  ['rule disabled, drained, enabled', controlRule],
  ['lost host forgotten', forget],
  ['planned end', leave],
  ['replay', replay],
  ['config change', reload],
  ['key rotation', rotateKey],
  ['twin of a name', twin],
  ['upgrade of one host', upgradeOne],
  ['all off, on in any order', powerCut],
  ['revision', revise],
  ['revision', revise],
];

function kill(cluster: Cluster, host: SimHost): string {
  cluster.kill(host);
  return `kill ${host.name}`;
}

function killSidecar(cluster: Cluster, host: SimHost): string {
  cluster.killSidecar(host);
  return `killsidecar ${host.name}`;
}

/** Dies in the middle of a turn: what is on disk may not have been said yet. */
function crash(cluster: Cluster, host: SimHost): string {
  host.crashAfter = Math.floor(cluster.random() * 12);
  return `crash ${host.name} after ${host.crashAfter} effects`;
}

function start(cluster: Cluster, host: SimHost): string {
  const off = cluster.all.filter((each) => each.state === null);
  const chosen = off.length > 0 ? pick(cluster.random, off) : host;
  if (chosen.state === null) cluster.start(chosen);
  return `start ${chosen.name}`;
}

function wipe(cluster: Cluster, host: SimHost): string {
  cluster.kill(host);
  cluster.replaceDisk(host);
  return `kill ${host.name}, its state directory is lost`;
}

/** A machine is cloned: this host starts with the state directory of another. */
function copyDirectory(cluster: Cluster, host: SimHost): string {
  const other = pick(cluster.random, cluster.hosts);
  if (other === host) return NOTHING;
  cluster.kill(host);
  cluster.replaceDisk(host, other.disk);
  cluster.start(host);
  return `restart ${host.name} with the state directory of ${other.name}`;
}

function stall(cluster: Cluster, host: SimHost, periodMs: number): string {
  const forMs = cluster.random() * periodMs * 15;
  if (host.state !== null) cluster.stall(host, forMs);
  return `stall ${host.name} ${Math.round(forMs)}ms`;
}

function cutOneWay(cluster: Cluster, host: SimHost): string {
  const other = pick(cluster.random, cluster.hosts);
  cluster.cuts.add(`${host.name}>${other.name}`);
  return `deafen ${host.name} to ${other.name}`;
}

function partition(cluster: Cluster): string {
  const side = new Map(cluster.hosts.map((host) => [host.name, cluster.random() < 0.5]));
  cutWhere(cluster, (a, b) => side.get(a.name) !== side.get(b.name));
  const far = cluster.hosts.filter((host) => side.get(host.name));
  return `cut ${far.map((host) => host.name)} from the others`;
}

/** Everybody hears neighbours only: a line or a ring. */
function line(cluster: Cluster): string {
  const { hosts } = cluster;
  const isRing = cluster.random() < 0.5;
  cutWhere(cluster, (a, b) => {
    const distance = Math.abs(hosts.indexOf(a) - hosts.indexOf(b));
    return distance > 1 && !(isRing && distance === hosts.length - 1);
  });
  return isRing ? 'ring' : 'line';
}

function cutWhere(cluster: Cluster, isCut: (a: SimHost, b: SimHost) => boolean): void {
  for (const a of cluster.hosts)
    for (const b of cluster.hosts) if (isCut(a, b)) cluster.cuts.add(`${a.name}>${b.name}`);
}

function heal(cluster: Cluster): string {
  cluster.cuts.clear();
  return 'heal';
}

function weather(cluster: Cluster, _host: SimHost, periodMs: number): string {
  const { random } = cluster;
  const loss = random() < 0.5 ? 0 : random() * 0.3;
  const delayMax = 1 + random() * random() * periodMs;
  Object.assign(cluster.weather, { loss, repeat: random() * 0.2, delayMax });
  return `loss ${Math.round(loss * 100)} delay ${Math.round(delayMax)}ms`;
}

/** `nlb forget --all`: of a living host all refuse it, or take it back at once. */
function forget(cluster: Cluster, host: SimHost): string {
  for (const each of cluster.all) cluster.give(each, { kind: 'forget', nowMs: cluster.clock(each), host: host.name });
  return `forget ${host.name}`;
}

function leave(cluster: Cluster, host: SimHost): string {
  cluster.give(host, { kind: 'leave', nowMs: cluster.clock(host) });
  return `stop ${host.name}`;
}

/** Somebody on the wire sends old packets again, as they were. */
function replay(cluster: Cluster): string {
  for (let i = 0; i < 20 && cluster.recorded.length > 0; i++) {
    const packet = cluster.recorded[Math.floor(cluster.random() * cluster.recorded.length)];
    if (packet !== undefined) cluster.deliver(packet.to, packet.from, packet.bytes);
  }
  return 'replay';
}

/** The same new file is put on the hosts one after another, and each is told; one that is off reads it later. */
function reload(cluster: Cluster, _host: SimHost, periodMs: number): string {
  const { file } = cluster.hosts[0]!.onDisk;
  if (cluster.hosts.some((each) => each.onDisk.fingerprint !== cluster.hosts[0]!.onDisk.fingerprint)) return NOTHING;
  const next = variantOf(file, 1 + Math.floor(cluster.random() * 1000));
  let inMs = 0;
  for (const host of cluster.hosts) {
    inMs += cluster.random() * periodMs;
    cluster.after(inMs, () => cluster.offer(host, next));
  }
  return `offer all ${next.fingerprint}`;
}

function revise(cluster: Cluster, host: SimHost): string {
  return applyAtAll(cluster, host) ?? NOTHING;
}

/** As docs/operating.md says it: the new key is accepted everywhere, then seals, then the old one goes; a restart each. */
function rotateKey(cluster: Cluster, _host: SimHost, periodMs: number): string {
  const old = cluster.hosts[0]!.keyIds.sealing;
  // One at a time.
  if (cluster.hosts.some(({ keyIds }) => keyIds.sealing !== old || keyIds.valid.length > 1)) return NOTHING;
  const next = (old + 1) % 256;
  const rounds = [
    { sealing: old, valid: [old, next] },
    { sealing: next, valid: [next, old] },
    { sealing: next, valid: [next] },
  ];
  rounds.forEach((ids, round) => {
    for (const host of cluster.hosts) {
      cluster.after((round + cluster.random()) * 4 * periodMs, () => {
        host.keyIds = ids;
        if (host.state === null) return;
        cluster.killSidecar(host);
        cluster.start(host);
      });
    }
  });
  return `rotate the key to id ${next}`;
}

/** A second machine with the name, key and state directory of a host, at another address; for ten periods. */
function twin(cluster: Cluster, host: SimHost, periodMs: number): string {
  const copy = cluster.add(host.name, '10.0.9.9', host.onDisk);
  copy.disk = host.disk;
  copy.key = host.key;
  copy.keyIds = host.keyIds;
  cluster.twins.add(host.name);
  cluster.start(copy);
  cluster.after(periodMs * 10, () => {
    cluster.kill(copy);
    cluster.twins.delete(host.name);
  });
  return `a twin of ${host.name} at ${copy.address}`;
}

/** All hosts at once, and back in any order. */
function powerCut(cluster: Cluster, _host: SimHost, periodMs: number): string {
  for (const host of cluster.all) cluster.kill(host);
  for (const host of cluster.all) {
    cluster.after(cluster.random() * periodMs * 20, () => host.state === null && cluster.start(host));
  }
  return 'kill all, start all in any order';
}

/** One release further: it speaks one decision and one protocol version more. */
export function upgrade(host: SimHost): void {
  const { protocolHigh, decisionHigh } = OWN_VERSIONS;
  host.versions = { ...host.versions, protocolHigh: protocolHigh + 1, decisionHigh: decisionHigh + 1 };
}

/** A release before hosts stood in for one another (protocol 2). */
export function older(host: SimHost): void {
  host.versions = { ...host.versions, protocolHigh: 1 };
}

function upgradeOne(cluster: Cluster, host: SimHost): string {
  cluster.killSidecar(host);
  upgrade(host);
  cluster.start(host);
  return `restart ${host.name} with the next release`;
}
