/** What a host says of itself: the accidents of its state, its rules and its services, and how it is told to the sidecar. */
import { isOut } from '../../host/protocol/host-state.js';
import type { OwnSettings, RuleControl } from '../../host/protocol/types.js';
import type { Cluster, SimHost } from './cluster.js';
import { pick } from './random.js';

/** An Envoy takes at most so long to use a service again. */
const OPENING_PERIODS = 2;

export function settle(cluster: Cluster, host: SimHost, settings: OwnSettings): void {
  host.settings = settings;
  cluster.give(host, { kind: 'settings', nowMs: cluster.clock(host), settings });
}

/** The gates of these rules were closed: until its Envoy is seen to use the services again, this host takes no part (host/taking-part.ts). */
export function settleOpening(cluster: Cluster, host: SimHost, settings: OwnSettings, forMs: number): void {
  const rules = settings.rules.map((rule) => (rule.control === 'enabled' ? { ...rule, isOpening: true } : rule));
  settle(cluster, host, { ...settings, rules });
  cluster.after(forMs, () => openGates(cluster, host));
}

/** Of a host whose sidecar does not run, it is so when that starts. */
function openGates(cluster: Cluster, host: SimHost): void {
  const { settings } = host;
  if (settings.rules.some(({ isOpening }) => isOpening))
    settle(cluster, host, { ...settings, rules: opened(settings) });
}

function opened({ rules }: OwnSettings): OwnSettings['rules'] {
  return rules.map(({ control, serviceUp }) => ({ control, serviceUp }));
}

/** What was closed while the host was off, or its rule disabled, opens after a while. */
function say(cluster: Cluster, host: SimHost, next: OwnSettings): string {
  const before = host.settings;
  const rules = opened(next).map((rule, i) => {
    const was = before.rules[i]!;
    const wasClosed = isOut(before.hostState) || was.control === 'disabled' || was.isOpening;
    return wasClosed && !isOut(next.hostState) && rule.control === 'enabled' ? { ...rule, isOpening: true } : rule;
  });
  const settings = { ...next, rules };
  settle(cluster, host, settings);
  if (rules.some((rule) => 'isOpening' in rule)) {
    cluster.accidents.set('rules open', (cluster.accidents.get('rules open') ?? 0) + 1);
    const { periodMs } = host.onDisk.file.heartbeat;
    cluster.after(cluster.random() * OPENING_PERIODS * periodMs, () => openGates(cluster, host));
  }
  const down = rules.filter((rule) => rule.control !== 'enabled' || !rule.serviceUp).length;
  return `${host.name} is ${settings.hostState}, ${down} rules down`;
}

export function settleAnew(cluster: Cluster, host: SimHost): string {
  const chance = cluster.random();
  const hostState = chance < 0.55 ? 'started' : chance < 0.75 ? 'draining' : chance < 0.9 ? 'stopped' : 'suspended';
  const rules = host.settings.rules.map(() => ({
    control: controlFrom(cluster.random()),
    serviceUp: cluster.random() < 0.8,
  }));
  return say(cluster, host, { hostState, rules });
}

function controlFrom(chance: number): RuleControl {
  if (chance < 0.85) return 'enabled';
  return chance < 0.92 ? 'disabled' : 'draining';
}

/** `nlb drainstop`: finish what is open, take nothing new. */
export function drain(cluster: Cluster, host: SimHost): string {
  return say(cluster, host, { ...host.settings, hostState: 'draining' });
}

/** `nlb suspend`; the next start or settling takes it back. */
export function suspend(cluster: Cluster, host: SimHost): string {
  return say(cluster, host, { ...host.settings, hostState: 'suspended' });
}

/** `nlb disable`, `drain` and `enable` of one port rule. */
export function controlRule(cluster: Cluster, host: SimHost): string {
  const chosen = Math.floor(cluster.random() * host.settings.rules.length);
  const control = pick(cluster.random, ['enabled', 'disabled', 'draining'] as const);
  const rules = host.settings.rules.map((rule, i) => (i === chosen ? { ...rule, control } : rule));
  return `${say(cluster, host, { ...host.settings, rules })}, rule ${chosen} ${control}`;
}

export function flapService(cluster: Cluster, host: SimHost): string {
  const [first, ...rest] = host.settings.rules;
  return say(cluster, host, { ...host.settings, rules: [{ ...first!, serviceUp: !first!.serviceUp }, ...rest] });
}

/** Services everywhere change within milliseconds: views of one number are proposed side by side. */
export function allAtOnce(cluster: Cluster): string {
  for (const host of cluster.all) cluster.after(cluster.random() * 3, () => flapService(cluster, host));
  return 'a service of each host changes';
}
