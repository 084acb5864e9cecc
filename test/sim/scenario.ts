/**
 * Scenarios a person can read: commands, each `show` followed by what was seen (`| ...`). Verbs:
 *
 *     hosts 3 [period 100|never]  start 1,2 | start all     run 6s        loss 20
 *     cut 1 from 2,3              deafen 1 to 2 (2 hears nothing of 1)    heal
 *     kill 2                      killsidecar 2             stall 2 3s    restart 2 [empty]
 *     drainstop 2                 stop 2 (a planned end)    service 2 smtp down|up
 *     forget 2 on 1               (nlb forget; a living host is not)
 *     suspend 2                   resume 2                  disable|drain|enable 2 smtp
 *     off 2 (nlb stop)            on 2 opens 1s (nlb start; so long does its Envoy take to use the services again)
 *     file 2 affinity none        offer 2 affinity none     key 2 7       claim 2 from 10.0.0.13
 *     replay 2                    now 2 (nlb start --now)   upgrade 2 (to the next release), older 2 (before its start)
 *     double 2 (a second sidecar of its name at its address)
 *     show views | states | problems | kernels (what each accepts of 32 buckets) | notices 1
 */
import { Cluster, type SimHost } from './cluster.js';
import { older, upgrade } from './accidents.js';
import { makeFile } from './files.js';
import { acceptedBits } from './kernel.js';
import { settle, settleOpening } from './settings.js';

export function playScenario(text: string): string {
  const out: string[] = [];
  let cluster: Cluster | null = null;
  for (const line of text.split('\n')) {
    if (line.startsWith('|')) continue;
    out.push(line);
    const words = line.replace(/#.*/, '').trim().split(/\s+/);
    if (words[0] === '') continue;
    if (words[0] === 'hosts') {
      const periodMs = words[2] === 'period' ? Number(words[3]) : 1000;
      const never = words[2] === 'never';
      cluster = new Cluster(7, makeFile({ hostCount: Number(words[1]), periodMs, never, moreRules: never ? 1 : 0 }));
    } else if (cluster === null) {
      throw new Error(`scenario begins with "${line}", expected "hosts N"`);
    } else if (words[0] === 'show') {
      out.push(...show(cluster, words).map((each) => `| ${each}`));
    } else {
      act(cluster, words);
    }
  }
  return out.join('\n');
}

function act(cluster: Cluster, words: string[]): void {
  const [verb, first = '', ...rest] = words;
  const hosts = verb === 'run' || verb === 'heal' || verb === 'loss' ? [] : hostsOf(cluster, first);
  const host = hosts[0]!;
  const give = (kind: 'leave' | 'start') => cluster.give(host, { kind, nowMs: cluster.clock(host) });
  const actions: Record<string, () => void> = {
    run: () => cluster.run(milliseconds(first)),
    loss: () => Object.assign(cluster.weather, { loss: Number(first) / 100 }),
    heal: () => cluster.cuts.clear(),
    start: () => {
      for (const each of hosts) cluster.start(each);
    },
    restart: () => restart(cluster, host, rest[0] === 'empty'),
    older: () => older(host),
    upgrade: () => {
      upgrade(host);
      restart(cluster, host, false);
    },
    kill: () => {
      for (const each of hosts) cluster.kill(each);
    },
    killsidecar: () => cluster.killSidecar(host),
    stall: () => cluster.stall(host, milliseconds(rest[0]!)),
    stop: () => give('leave'),
    now: () => give('start'),
    drainstop: () => settle(cluster, host, { ...host.settings, hostState: 'draining' }),
    forget: () => {
      for (const each of hostsOf(cluster, rest[1]!)) {
        cluster.give(each, { kind: 'forget', nowMs: cluster.clock(each), host: host.name });
      }
    },
    suspend: () => settle(cluster, host, { ...host.settings, hostState: 'suspended' }),
    off: () => settle(cluster, host, { ...host.settings, hostState: 'stopped' }),
    on: () => settleOpening(cluster, host, { ...host.settings, hostState: 'started' }, milliseconds(rest[1]!)),
    resume: () => settle(cluster, host, { ...host.settings, hostState: 'stopped' }),
    disable: () => setRule(cluster, host, rest[0]!, { control: 'disabled' }),
    drain: () => setRule(cluster, host, rest[0]!, { control: 'draining' }),
    enable: () => {
      setRule(cluster, host, rest[0]!, { control: 'enabled' });
      cluster.give(host, { kind: 'give', nowMs: cluster.clock(host), rules: [rest[0]!] });
    },
    service: () => setRule(cluster, host, rest[0]!, { serviceUp: rest[1] === 'up' }),
    file: () => Object.assign(host, { onDisk: fileOf(cluster, rest) }),
    offer: () => {
      cluster.offer(host, fileOf(cluster, rest));
    },
    key: () => Object.assign(host, { key: Number(rest[0]) }),
    claim: () => Object.assign(host, { claimsAddress: rest[1] }),
    double: () => double(cluster, host),
    replay: () => {
      for (const each of cluster.recorded.filter((packet) => packet.from === host.address)) {
        cluster.deliver(each.to, each.from, each.bytes);
      }
    },
    cut: () => {
      for (const other of hostsOf(cluster, rest[1]!)) {
        for (const each of hosts) cluster.cuts.add(`${each.name}>${other.name}`).add(`${other.name}>${each.name}`);
      }
    },
    deafen: () => {
      for (const other of hostsOf(cluster, rest[1]!)) cluster.cuts.add(`${host.name}>${other.name}`);
    },
  };
  const action = actions[verb!];
  if (action === undefined)
    throw new Error(`scenario verb "${verb}" is unknown, expected ${Object.keys(actions).join(', ')}`);
  action();
}

function restart(cluster: Cluster, host: SimHost, empty: boolean): void {
  cluster.killSidecar(host);
  if (empty) cluster.replaceDisk(host);
  cluster.start(host);
}

/** A machine is cloned, with all that it knows. */
function double(cluster: Cluster, host: SimHost): void {
  const copy = cluster.add(host.name, host.address, host.onDisk);
  copy.disk = host.disk;
  cluster.twins.add(host.name);
  cluster.start(copy);
}

type RuleSettings = SimHost['settings']['rules'][number];

function setRule(cluster: Cluster, host: SimHost, name: string, change: Partial<RuleSettings>): void {
  const index = host.onDisk.file.portRules.findIndex((rule) => rule.name === name);
  const rules = host.settings.rules.map((rule, i) => (i === index ? { ...rule, ...change } : rule));
  settle(cluster, host, { ...host.settings, rules });
}

function fileOf(cluster: Cluster, [, affinity]: string[]) {
  const { file } = cluster.hosts[0]!.onDisk;
  const periodMs = file.heartbeat.periodMs;
  return makeFile({ hostCount: cluster.hosts.length, periodMs, affinity: affinity as 'none' | 'single' | 'classC' });
}

function show(cluster: Cluster, [, what, which]: string[]): string[] {
  const living = cluster.hosts.filter((host) => host.state !== null);
  if (what === 'kernels') return cluster.hosts.map((host) => `${host.name}: accepts ${acceptedCount(cluster, host)}`);
  if (what === 'notices') return cluster.host(`mail${which}`).notices;
  return living.flatMap((host) => {
    const status = cluster.status(host)!;
    const { inForce } = status;
    if (what === 'states')
      return [`${host.name}: ${status.hosts.map((each) => `${each.name} ${each.state}`).join(', ')}`];
    if (what === 'problems') return status.problems.map((each) => `${host.name}: ${each.text}`);
    if (inForce === null) return [`${host.name}: ${status.state}, no view`];
    const names = inForce.view.hosts.map((each) => {
      const absent = each.rules.some((rule) => rule.absence !== null || rule.standsInFor !== undefined);
      const words = each.rules.map(
        ({ absence, standsInFor }) => absence ?? (standsInFor ? `for ${standsInFor}` : 'takes part'),
      );
      return absent ? `${each.name} [${words.join(', ')}]` : each.name;
    });
    const less = inForce.lostSince.length === 0 ? '' : ` less ${inForce.lostSince.join(', ')}`;
    return [`${host.name}: ${status.state}, view ${inForce.view.number} (${names.join(', ')})${less}`];
  });
}

function acceptedCount(cluster: Cluster, host: SimHost): number {
  const bits = acceptedBits(cluster, host) >>> 0;
  return [...bits.toString(2)].filter((bit) => bit === '1').length;
}

function hostsOf(cluster: Cluster, list: string): SimHost[] {
  if (list === 'all') return cluster.hosts;
  return list.split(',').map((number) => cluster.host(`mail${number}`));
}

function milliseconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text);
  if (match === null) throw new Error(`scenario time "${text}", expected e.g. 500ms, 6s or 2m`);
  return Number(match[1]) * { ms: 1, s: 1000, m: 60_000 }[match[2] as 'ms' | 's' | 'm'];
}
