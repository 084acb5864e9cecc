/**
 * What went through this host's Envoy, read from its stats: connections by rule and owner, fallbacks, refusals, open ones.
 * Counted by Envoy since it started; nothing is kept here but the last answer.
 */
import { STAT } from '../protocol/xds/index.js';
import type { EnvoyAdmin } from './envoy-admin.js';

export interface RuleTraffic {
  servedHereCount: number;
  /** By owner. */
  handedOffCounts: Map<string, number>;
  /** Handed to this host by others. */
  handedToUsCount: number;
  fallbackCount: number;
  /** By reason. */
  refusedCounts: Record<string, number>;
  /** Open connections that entered at this host. */
  enteredOpenCount: number;
  /** Open connections to this host's service, wherever they entered. */
  servedOpenCount: number;
  /** Envoy uses this host's service; false while its gate is closed (protocol/xds/gate.ts). */
  isGateOpen: boolean;
}

export type Traffic = ReadonlyMap<string, RuleTraffic>;

const FILTER =
  '^(wasmcustom\\.nlb\\.|tcp\\.nlb_fallback\\..*downstream_cx_total|listener\\.nlb_rule\\..*(downstream_cx_active|global_cx_overflow)|connection_limit\\.nlb_rule\\..*active_connections|tcp\\.nlb_handoff\\..*downstream_cx_total|cluster\\.nlb\\.service\\..*(upstream_cx_active|membership_healthy))';

/** @throws EdgeError ENVOY_ADMIN_SILENT */
export async function readTraffic(admin: EnvoyAdmin, rules: readonly string[]): Promise<Traffic> {
  const stats = await admin.stats(FILTER);
  const outcomes = outcomesOf(stats);
  return new Map(rules.map((rule) => [rule, trafficOf(rule, stats, outcomes)]));
}

/** What the filter counted, by rule, without its prefix: with 32 hosts and 32 rules they are a thousand, read twice a second. */
function outcomesOf(stats: Map<string, number | string>): Map<string, [string, number][]> {
  const outcomes = new Map<string, [string, number][]>();
  for (const [name, value] of stats) {
    if (!name.startsWith(STAT.filterPrefix)) continue;
    const end = name.indexOf('.', STAT.filterPrefix.length);
    if (end < 0) continue;
    const rule = name.slice(STAT.filterPrefix.length, end);
    const found = outcomes.get(rule);
    const outcome: [string, number] = [name.slice(end + 1), Number(value)];
    if (found === undefined) outcomes.set(rule, [outcome]);
    else found.push(outcome);
  }
  return outcomes;
}

/** Open connections to other hosts. @throws EdgeError ENVOY_ADMIN_SILENT */
export async function readHandedOffOpen(admin: EnvoyAdmin): Promise<number> {
  const stats = await admin.stats('^cluster\\.nlb\\.handoff\\..*\\.upstream_cx_active$');
  return [...stats.values()].reduce<number>((sum, count) => sum + Number(count), 0);
}

export function trafficOf(
  rule: string,
  stats: Map<string, number | string>,
  outcomes = outcomesOf(stats),
): RuleTraffic {
  const count = (name: string) => Number(stats.get(name) ?? 0);
  const prefix = `${STAT.filterPrefix}${rule}.`;
  const handedOffCounts = new Map<string, number>();
  const refusedCounts: Record<string, number> = {};
  for (const [name, value] of outcomes.get(rule) ?? []) {
    const [outcome, detail] = name.split('.');
    if (outcome === 'handed_off' && detail) handedOffCounts.set(detail, value);
    if (outcome === 'refused' && detail && value > 0) refusedCounts[detail] = value;
  }
  const atLimit = count(STAT.refusedAtLimit(rule));
  if (atLimit > 0) refusedCounts.connectionLimit = atLimit;
  return {
    servedHereCount: count(`${prefix}served_here`),
    handedOffCounts,
    handedToUsCount: count(STAT.handedToUs(rule)),
    fallbackCount: count(STAT.fallbacks(rule)),
    refusedCounts,
    enteredOpenCount: count(STAT.enteredOpen(rule)) + count(STAT.redirectedOpen(rule)),
    servedOpenCount: count(STAT.servedOpen(rule)),
    isGateOpen: stats.get(STAT.gateOpen(rule)) !== 0,
  };
}
