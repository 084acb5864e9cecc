/** What is wrong with a cluster, from the facts of its hosts: the list of NLB's own troubleshooting, and what to do. Pure. */
import { judgeAddresses } from './judge-addresses.js';
import { judgeDns } from './judge-dns.js';
import { judgeHolder } from './judge-holder.js';
import type { ClusterFile, HostName } from '../protocol/types.js';
import { type DnsFacts, type DoctorFinding, type Examined, hostsText } from './facts.js';
import { judgeServices } from './judge-services.js';
import { judgeSpread } from './judge-spread.js';

/** Clocks decide nothing here; beyond this the logs of two hosts cannot be read side by side. */
const CLOCK_MAX_MS = 1000;

export interface Silent {
  host: HostName;
  reason: string;
}

export function judge(
  file: ClusterFile,
  examined: readonly Examined[],
  silent: readonly Silent[],
  dns: DnsFacts | null,
  nowIso: string,
): DoctorFinding[] {
  return [
    ...judgeSilent(file, silent, examined),
    ...(dns === null ? [] : judgeDns(file, dns)),
    ...judgeHeartbeats(examined),
    ...judgeHandoffs(file, examined),
    ...judgeRemoteControls(file, examined, silent),
    ...judgeViews(examined),
    ...judgeClocks(examined),
    ...judgeServices(examined, nowIso),
    ...judgeAddresses(file, examined),
    ...judgeHolder(file, examined),
    ...judgeSpread(file, examined),
    ...judgeProblems(examined),
  ];
}

/** A host that says nothing over the host channel. Where the others have it as lost, that is the finding. */
function judgeSilent(file: ClusterFile, silent: readonly Silent[], examined: readonly Examined[]): DoctorFinding[] {
  return silent.map(({ host, reason }) => {
    const states = examined.flatMap(({ facts }) => facts.status.hosts.filter((each) => each.name === host));
    const isGone = states.length > 0 && states.every(({ state }) => state === 'lost' || state === 'notSeen');
    const text = isGone
      ? `host ${host} is ${states[0]!.state === 'lost' ? 'lost' : 'not seen'}: no host hears it`
      : `host ${host} does not answer on the host channel: ${reason}`;
    const todo = isGone
      ? 'look after the machine, its network and its sidecar (systemctl status envoy-nlb)'
      : reason.includes('another cluster key')
        ? 'make `cluster` and the key files the same, then systemctl restart envoy-nlb where one was changed'
        : `let ${file.ports.channel}/tcp through between the hosts, both ways`;
    return { check: isGone ? 'lost' : 'channel', host, text, todo };
  });
}

/** One hears the other, the other does not hear it. */
function judgeHeartbeats(examined: readonly Examined[]): DoctorFinding[] {
  const hears = (from: Examined, name: HostName): boolean => {
    const state = from.facts.status.hosts.find((host) => host.name === name)?.state;
    return state !== 'lost' && state !== 'notSeen' && state !== 'forgotten' && state !== 'sidecarSilent';
  };
  return examined.flatMap((here) =>
    examined.flatMap((there) => {
      if (here === there || hears(here, there.facts.host)) return [];
      const direction = hears(there, here.facts.host) ? ', though it is heard there' : '';
      const text = `host ${here.facts.host} does not hear the heartbeats of ${there.facts.host}${direction}`;
      return [
        { check: 'heartbeat', host: here.facts.host, text, todo: 'let the heartbeat port (UDP) through, both ways' },
      ];
    }),
  );
}

function judgeHandoffs(file: ClusterFile, examined: readonly Examined[]): DoctorFinding[] {
  return examined.flatMap(({ facts }) =>
    facts.handoffs.flatMap(({ host, address, failure }) => {
      if (failure === null) return [];
      const text = `host ${facts.host} does not reach the handoff port of ${host} (${address}:${file.ports.handoff}/tcp): ${failure}`;
      return [
        {
          check: 'handoff',
          host: facts.host,
          text,
          todo: `let ${file.ports.handoff}/tcp through, both ways; is Envoy up on ${host}?`,
        },
      ];
    }),
  );
}

/** Once for each host whose remote control does not answer; a host that is silent altogether is found as such. */
function judgeRemoteControls(
  { remoteControl, hosts }: ClusterFile,
  examined: readonly Examined[],
  silent: readonly Silent[],
): DoctorFinding[] {
  if (remoteControl === undefined) return [];
  const { port } = remoteControl;
  return hosts.flatMap(({ name, dedicatedIp }) => {
    if (silent.some(({ host }) => host === name)) return [];
    const asked = examined.flatMap(({ facts }) =>
      (facts.remoteControls ?? []).flatMap(({ host, failure }) =>
        host === name && failure !== null ? [{ from: facts.host, failure }] : [],
      ),
    );
    if (asked.length === 0) return [];
    const from = hostsText(asked.map((each) => each.from));
    const text = `remote control of host ${name} (${dedicatedIp}:${port}/tcp) does not answer ${from}: ${asked[0]!.failure}`;
    const isClosed = asked.some((each) => each.from === name);
    const todo = isClosed ? `nlb display on ${name} says why it is not open` : `let ${port}/tcp through to ${name}`;
    return [{ check: 'remoteControl', host: name, text, todo }];
  });
}

/** A split: several default hosts, or several views, among hosts that serve. */
function judgeViews(examined: readonly Examined[]): DoctorFinding[] {
  const serving = examined.filter(({ facts }) => facts.status.state === 'converged' || facts.status.state === 'alone');
  const byDefault = new Map<string, HostName[]>();
  for (const { facts } of serving) {
    const name = facts.status.hosts.find(({ isDefaultHost }) => isDefaultHost)?.name;
    if (name !== undefined) byDefault.set(name, [...(byDefault.get(name) ?? []), facts.host]);
  }
  const found: DoctorFinding[] = [];
  if (byDefault.size > 1) {
    const sides = [...byDefault].map(([name, hosts]) => `${name} for ${hostsText(hosts)}`).join(', ');
    const todo = 'the network is split, or the files differ: look at the heartbeat and contradiction findings';
    found.push({ check: 'defaultHosts', host: null, text: `there are several default hosts: ${sides}`, todo });
  }
  const files = new Map<string, HostName[]>();
  for (const { facts } of examined) {
    const { fingerprint } = facts.status.file;
    files.set(fingerprint, [...(files.get(fingerprint) ?? []), facts.host]);
  }
  if (files.size > 1) {
    const sides = [...files].map(([fingerprint, hosts]) => `${hostsText(hosts)} ${fingerprint}`).join(', ');
    found.push({
      check: 'file',
      host: null,
      text: `cluster files differ: ${sides}`,
      todo: 'put one file on all hosts and run nlb reload',
    });
  }
  return found;
}

function judgeClocks(examined: readonly Examined[]): DoctorFinding[] {
  const sorted = examined.map(({ clockAheadMs }) => clockAheadMs).sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return examined.flatMap(({ facts, clockAheadMs, errorMs }) => {
    const offMs = clockAheadMs - middle;
    if (Math.abs(offMs) <= CLOCK_MAX_MS + errorMs) return [];
    const text = `the clock of host ${facts.host} is ${(Math.abs(offMs) / 1000).toFixed(1)} s ${offMs > 0 ? 'ahead of' : 'behind'} the others`;
    const todo =
      'let it take its time from a server (chrony, systemd-timesyncd); nothing is decided by it, logs are read by it';
    return [{ check: 'clock', host: facts.host, text, todo }];
  });
}

/** What each sidecar says itself, once where several say the same. */
function judgeProblems(examined: readonly Examined[]): DoctorFinding[] {
  const byText = new Map<string, { todo: string | null; hosts: HostName[] }>();
  for (const { facts } of examined) {
    for (const { text, todo } of facts.status.problems) {
      const known = byText.get(text) ?? { todo, hosts: [] };
      known.hosts.push(facts.host);
      byText.set(text, known);
    }
  }
  return [...byText].map(([text, { todo, hosts }]) => ({
    check: 'problem',
    host: hosts.length === 1 ? hosts[0]! : null,
    text: `${hostsText(hosts)} ${hosts.length === 1 ? 'says' : 'say'}: ${text}`,
    todo: todo ?? `nlb display on ${hosts[0]} has the whole picture`,
  }));
}
