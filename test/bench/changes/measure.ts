/** How many clients notice that the configuration changes: ours, an Envoy changed by LDS, and HAProxy that is reloaded. */
import { loadavg } from 'node:os';
import { startService, type TestService } from '../../e2e/harness/service.js';
import * as places from '../places.js';
import { align } from '../report.js';
import { estimateOf } from '../statistics.js';
import type { Contender } from './contender.js';
import { startEnvoyLds } from './envoy-lds.js';
import { haproxyAbsence, startHaproxyReload } from './haproxy-reload.js';
import { ChangesLoad, type LoadCounts } from './load.js';
import { startNlb } from './nlb.js';

export interface ChangesPlan {
  /** Of our cluster file. */
  changes: number;
  /** Of each of the others. */
  otherChanges: number;
  held: number;
}

export const CHANGES_PLAN: ChangesPlan = { changes: 100, otherChanges: 10, held: 60 };

export interface ChangesResult extends LoadCounts {
  changes: number;
  /** Until a change was in force everywhere. */
  median_ms: number;
  worst_ms: number;
  /** Changes that took longer than the second that is wanted. */
  over_1s: number;
  [more: string]: number | string | string[];
}

export interface Absent {
  absent: string;
}

export interface ChangesReport {
  /** Of the last minute, on all of the machine, before and after. */
  machine_load: [number, number];
  nlb: ChangesResult;
  envoy_lds: ChangesResult;
  haproxy_reload: ChangesResult | Absent;
}

type Say = (text: string) => void;

export async function measureChanges(plan: ChangesPlan, say: Say): Promise<ChangesReport> {
  const before = loadavg()[0]!;
  const nlb = await measureNlb(plan, say);
  const { envoy_lds, haproxy_reload } = await measureOthers(plan, say);
  return { machine_load: [round(before), round(loadavg()[0]!)], nlb, envoy_lds, haproxy_reload };
}

export function measureNlb({ changes, held }: Omit<ChangesPlan, 'otherChanges'>, say: Say): Promise<ChangesResult> {
  return underLoad('nlb', startNlb, changes, held, false, say);
}

async function measureOthers({ otherChanges, held }: ChangesPlan, say: Say) {
  const services: TestService[] = [];
  try {
    for (const [i, listen] of places.SPREAD.entries()) {
      services.push(await startService({ name: `s${i + 1}`, listen, proxyProtocol: 'none' }));
    }
    const [lds, haproxy] = [3650, 3651].map((port) => ({ host: places.PROXY_HOST, port })) as [Place, Place];
    const envoy = () => startEnvoyLds(lds, places.SPREAD);
    const envoy_lds = await underLoad('envoy_lds', envoy, otherChanges, held, true, say);
    const absent = haproxyAbsence();
    if (absent !== null) say(`haproxy_reload: ${absent}`);
    const reload = () => startHaproxyReload(haproxy, places.SPREAD);
    const haproxy_reload =
      absent === null ? await underLoad('haproxy_reload', reload, otherChanges, held, true, say) : { absent };
    return { envoy_lds, haproxy_reload };
  } finally {
    for (const service of services) await service.stop();
  }
}

type Place = (typeof places.SPREAD)[0];

/** @param eachSettles  the next change waits until the one before has done all it does; ours come one right after another */
async function underLoad(
  name: string,
  start: () => Promise<Contender>,
  changes: number,
  held: number,
  eachSettles: boolean,
  say: Say,
): Promise<ChangesResult> {
  say(`${changes} changes under load: ${name}`);
  const contender = await start();
  const load = new ChangesLoad(contender.places, places.CLIENTS, held);
  let counts: LoadCounts | null = null;
  try {
    await load.start();
    const tookMs: number[] = [];
    for (let change = 1; change <= changes; change++) {
      const { ms, what } = await contender.change(change);
      tookMs.push(ms);
      if (eachSettles || change === changes) {
        await contender.settled();
        await load.echoed();
      }
      if (change % 10 === 0) say(`${name}: change ${change} of ${changes}, ${what}: ${ms.toFixed(0)} ms`);
    }
    const times = {
      median_ms: round(estimateOf(tookMs).median),
      worst_ms: round(Math.max(...tookMs)),
      over_1s: tookMs.filter((ms) => ms > 1000).length,
    };
    const more = contender.more?.() ?? {};
    counts = await load.stop();
    return { changes, ...times, ...counts, ...more };
  } finally {
    if (counts === null) await load.stop();
    await contender.stop();
  }
}

export function changesTable({ nlb, envoy_lds, haproxy_reload, machine_load }: ChangesReport): string {
  const head = ['', 'changes', 'median ms', 'worst ms', 'over 1 s', 'held', 'cut', 'reset', 'silent', 'new', 'failed'];
  const row = (name: string, one: ChangesResult | Absent) => {
    if ('absent' in one) return null;
    const times = [one.changes, one.median_ms, one.worst_ms, one.over_1s];
    const held = [one.held_sessions, one.held_cut, one.held_reset, one.held_silent];
    return [name, ...[...times, ...held, one.new_connections, one.new_failed].map(String)];
  };
  const rows = [row('nlb', nlb), row('envoy_lds', envoy_lds), row('haproxy_reload', haproxy_reload)];
  const told = align([head, ...rows.filter((one) => one !== null)]);
  const absent = 'absent' in haproxy_reload ? `\nhaproxy_reload: ${haproxy_reload.absent}` : '';
  return `${told}${absent}\nmachine load before and after: ${machine_load.join(', ')}`;
}

const round = (value: number): number => Number(value.toFixed(1));
