/** The figures of a run, as one JSON object and as a table for people. */
import { differencesOf, type Estimate, estimateOf, ratiosOf } from './statistics.js';
import type { Lane, Measurement } from './turns.js';

export interface VariantResult {
  cpu_us_per_connection: number;
  machine_cpu_us_per_connection: number;
  connections_per_second: number;
  /** 95 % intervals of the medians above, low and high. */
  cpu_us_interval: [number, number];
  machine_cpu_us_interval: [number, number];
  failed_connections: number;
  turns: number;
}

/** A wanted figure and what was measured, turn by turn. */
export interface Comparison {
  name: string;
  wanted: string;
  median: number;
  interval: [number, number];
}

const column = (lane: Lane, what: keyof Measurement): number[] => lane.measurements.map((one) => one[what]);

export function resultOf(lane: Lane): VariantResult {
  const cpu = estimateOf(column(lane, 'proxyUsPerConnection'));
  const machine = estimateOf(column(lane, 'machineUsPerConnection'));
  const speed = estimateOf(column(lane, 'connectionsPerSecond'));
  return {
    cpu_us_per_connection: round(cpu.median),
    machine_cpu_us_per_connection: round(machine.median),
    connections_per_second: Math.round(speed.median),
    cpu_us_interval: [round(cpu.low), round(cpu.high)],
    machine_cpu_us_interval: [round(machine.low), round(machine.high)],
    failed_connections: column(lane, 'failed').reduce((sum, failed) => sum + failed, 0),
    turns: lane.measurements.length,
  };
}

/** What the project wants of itself; only pairs that both ran. */
export function comparisonsOf(lanes: readonly Lane[]): Comparison[] {
  const cpu = new Map(lanes.map((lane) => [lane.name, column(lane, 'proxyUsPerConnection')]));
  const compare = (a: string, b: string, how: typeof ratiosOf, sign: string, wanted: string): Comparison[] => {
    const [ours, theirs] = [cpu.get(a), cpu.get(b)];
    if (!ours || !theirs) return [];
    return [comparison(`${a} ${sign} ${b}`, wanted, estimateOf(how(ours, theirs)))];
  };
  const ratio = (a: string, b: string, wanted = '') => compare(a, b, ratiosOf, '/', wanted);
  const difference = (a: string, b: string, wanted = '') => compare(a, b, differencesOf, '-', wanted);
  return [
    ...ratio('nlb_local', 'plain', 'at most 1.05, interval to 1.10'),
    ...ratio('nlb_handoff', 'plain', 'at most 2.0'),
    ...ratio('nlb_handoff_plain', 'plain', ''),
    ...ratio('handoff_tunnel', 'plain'),
    ...difference('nlb_local', 'nlb_empty', 'at most 5 us'),
    ...['nlb_all_stats', 'nlb_big_buffers'].flatMap((name) => difference(name, 'nlb_local')),
    ...['nlb_handoff', 'nlb_handoff_x25519', 'nlb_handoff_p256', 'nlb_handoff_tls13'].flatMap((name) =>
      difference(name, 'nlb_handoff_plain'),
    ),
    ...difference('empty_wasm', 'plain'),
    ...difference('nlb_empty', 'nlb_bare'),
    ...ratio('nlb_bare', 'plain'),
    ...ratio('nlb_sdk', 'nlb_local'),
    ...ratio('nlb_cluster', 'haproxy_cluster'),
  ];
}

function comparison(name: string, wanted: string, { median, low, high }: Estimate): Comparison {
  const digits = name.includes('/') ? 3 : 1;
  return { name, wanted, median: round(median, digits), interval: [round(low, digits), round(high, digits)] };
}

export function tableOf(lanes: readonly Lane[]): string {
  const rows = lanes.map((lane) => {
    const result = resultOf(lane);
    return [
      lane.name,
      result.cpu_us_per_connection.toFixed(1),
      result.cpu_us_interval.map((us) => us.toFixed(0)).join('-'),
      result.machine_cpu_us_per_connection.toFixed(1),
      result.machine_cpu_us_interval.map((us) => us.toFixed(0)).join('-'),
      String(result.connections_per_second),
      String(result.failed_connections),
    ];
  });
  return align([['variant', 'cpu us', '95 %', 'machine us', '95 %', 'conn/s', 'failed'], ...rows]);
}

export function comparisonTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ name, median, interval, wanted }) => [
    name,
    String(median),
    interval.join('-'),
    wanted,
  ]);
  return align([['compared turn by turn', 'median', '95 %', 'wanted'], ...rows]);
}

export function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)));
  return rows.map((row) => line(row).join('  ').trimEnd()).join('\n');
}

function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
