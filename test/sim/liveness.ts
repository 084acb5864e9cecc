/**
 * What must hold within a bound once the network is whole: one view in each group of hosts that share cluster, key and
 * file, with everything each host says of itself in it, and nothing happens any more.
 */
import { WAIT_MAX_MS } from '../../host/protocol/damping.js';
import type { Absence, PortRule, View } from '../../host/protocol/types.js';
import { activeRules, BrokenPromise, clusterOf, fail } from './checkers.js';
import type { Cluster, SimHost } from './cluster.js';

/** From here on a second costs thousands of packets: long dampings are not waited out, drills are short. */
export const LARGE = 9;

/** Within this after the network is whole there is one view: four tolerances, and two seconds for what is gathered. */
export function wholeWithinMs(periodMs: number, missedMax: number): number {
  return 4 * periodMs * missedMax + 2000;
}

/** How long the longest damping of a host or one of its rules still takes; 5 min at most are promised (R11). */
export function longestWaitMs(cluster: Cluster): number {
  let longest = 0;
  for (const host of cluster.all) {
    if (host.state === null) continue;
    for (const damper of [host.state.hostDamper, ...host.state.ruleDampers]) {
      const leftMs = damper.waitUntilMs - cluster.clock(host);
      if (leftMs > WAIT_MAX_MS) fail(cluster, `${host.name} waits ${leftMs} ms, at most ${WAIT_MAX_MS} are promised`);
      longest = Math.max(longest, leftMs);
    }
  }
  return longest;
}

/** Each cluster and key on its own: hosts with another key are another cluster. */
export function checkWhole(cluster: Cluster): void {
  const groups = new Map<string, SimHost[]>();
  for (const host of cluster.all) {
    if (host.state === null) continue;
    const id = `${clusterOf(host)}|${host.key}`;
    groups.set(id, [...(groups.get(id) ?? []), host]);
  }
  for (const group of groups.values()) checkGroup(cluster, group);
  checkKeysTold(cluster);
}

/** R6: another key is no mere silence, each side names the other. */
function checkKeysTold(cluster: Cluster): void {
  for (const host of cluster.hosts) {
    for (const other of cluster.hosts) {
      if (other.key === host.key || host.state === null || other.state === null) continue;
      const told = cluster.status(host)!.problems.map(({ text }) => text);
      const isTold = told.some(
        (text) => text.startsWith(`host ${other.name}: packets`) && text.includes('cluster key'),
      );
      if (!isTold) fail(cluster, `${host.name} does not say that ${other.name} has another key`);
      const isAlone = host.state.side.agreeing.join() === host.name;
      if (isAlone && !cluster.status(host)!.holdVirtualIpBack)
        fail(cluster, `${host.name} is alone beside a wrong key and may hold the virtual IPs`);
    }
  }
}

/** R8: the part of the highest revision has the view, of several the largest; the others are outside of it and serve nothing. */
function checkGroup(cluster: Cluster, group: SimHost[]): void {
  const parts = new Map<string, SimHost[]>();
  for (const host of group) {
    const { fingerprint } = host.state!.known;
    parts.set(fingerprint, [...(parts.get(fingerprint) ?? []), host]);
  }
  const revisionOf = (part: SimHost[]) => Math.max(...part.map((host) => host.state!.known.revision));
  const revision = revisionOf(group);
  const newest = [...parts.values()].filter((part) => revisionOf(part) === revision);
  const largest = Math.max(...newest.map((part) => part.length));
  const inside = group.filter((host) => host.state!.side.outside === null);
  const winner = parts.get(inside[0]?.state?.known.fingerprint ?? '');
  if (winner === undefined || winner.length < largest) fail(cluster, `the smaller part is in:\n${said(group)}`);
  if (revisionOf(winner) < revision) fail(cluster, `the part of a lower revision is in:\n${said(group)}`);
  for (const host of group) {
    const { side, inForce, known } = host.state!;
    if (known.revision < revision) fail(cluster, `${host.name} has revision ${known.revision}, not ${revision}`);
    if (winner.includes(host) !== (side.outside === null))
      fail(cluster, `${host.name} is on the wrong side:\n${said(group)}`);
    const names = inForce?.view.hosts.map((each) => each.name).join();
    if (names !== winner.map((each) => each.name).join() || inForce!.lostSince.length > 0) {
      fail(cluster, `no single view of ${winner.map((each) => each.name)}:\n${said(group)}`);
    }
    checkParts(cluster, host, winner);
    // R10: whoever others wait for lets go, or their patience ends.
    if (winner.includes(host) && !host.state!.lettingGo.given)
      fail(cluster, `${host.name} still waits to take its own`);
  }
  if (new Set(winner.map((host) => host.state!.inForceChecksum)).size > 1) fail(cluster, `two views:\n${said(group)}`);
  const version = Math.min(...winner.map((host) => host.versions.decisionHigh));
  const { decisionVersion } = winner[0]!.state!.inForce!.view;
  if (decisionVersion !== version)
    fail(cluster, `the view decides by version ${decisionVersion}, all speak ${version}`);
  const active = group.flatMap(activeRules);
  if (new Set(active).size < active.length) fail(cluster, `a single-host rule is active twice:\n${said(group)}`);
}

/** R11: what each host says of itself is in the view. */
function checkParts(cluster: Cluster, host: SimHost, members: SimHost[]): void {
  const { file, view } = host.state!.inForce!;
  for (const member of members) {
    const parts = view.hosts.find((each) => each.name === member.name)!.rules;
    file.portRules.forEach((rule, index) => {
      const wanted = absenceOf(member, index);
      const { absence } = parts[index]!;
      if (absence === 'standby' && wanted === null && mayStandBack(view, index, rule.failback)) return;
      if (absence !== wanted)
        fail(cluster, `${host.name} has ${member.name} ${absence} in ${rule.name}, it is ${wanted}`);
    });
  }
}

/** Beside somebody who takes part. */
function mayStandBack(view: View, index: number, failback: PortRule['failback']): boolean {
  return failback === 'never' && view.hosts.some(({ rules }) => rules[index]!.absence === null);
}

function absenceOf(host: SimHost, index: number): Absence | null {
  const { hostState, rules } = host.settings;
  if (hostState === 'suspended') return 'stopped';
  if (hostState !== 'started') return hostState;
  if (rules[index]!.control === 'disabled' || rules[index]!.isOpening) return 'ruleDisabled';
  if (rules[index]!.control === 'draining') return 'draining';
  return rules[index]!.serviceUp ? null : 'serviceDown';
}

export function isWhole(cluster: Cluster): boolean {
  try {
    checkWhole(cluster);
    return true;
  } catch (error) {
    if (error instanceof BrokenPromise) return false;
    throw error;
  }
}

/** Nothing more happens while nothing happens to it: endless convergence is as bad as none. */
export function checkQuiet(cluster: Cluster, forMs: number): void {
  const restless = whoIsRestless(cluster, forMs);
  if (restless === undefined) return;
  fail(cluster, `${restless.name} changed its view while nothing happened:\n${said(cluster.all)}`);
}

/** Runs for so long. @returns a host that has another view afterwards */
export function whoIsRestless(cluster: Cluster, forMs: number): SimHost | undefined {
  const before = new Map(cluster.all.map((host) => [host, host.state?.inForceChecksum]));
  cluster.run(forMs);
  return cluster.all.find((host) => host.state?.inForceChecksum !== before.get(host));
}

function said(hosts: SimHost[]): string {
  const lines = hosts.map((host) => {
    if (host.state === null) return `${host.name}: off`;
    const { view, lostSince } = host.state.inForce ?? {};
    const less = lostSince?.length ? ` less ${lostSince}` : '';
    const names = view?.hosts.map((each) => each.name.replace('mail', '')) ?? [];
    return `${host.name}: view ${view?.number} (${names})${less} ${host.state.side.outside?.reason ?? ''}`;
  });
  return lines.join('\n');
}
