/**
 * Does Envoy's memory grow? Two hosts of ours under load, half of the connections handed off, while the view changes all
 * the time; resident memory is read at ten points on the way.
 */
import type { ClusterFile } from '../../host/protocol/types.js';
import type { RunningEnvoy } from '../e2e/harness/envoy.js';
import { waitFor } from '../e2e/harness/wait.js';
import { residentBytes } from './cpu.js';
import type { LoadProcess } from './load-process.js';
import { benchFile, entriesOf, filterOf, startNlbCluster } from './nlb-envoy.js';
import * as places from './places.js';

export interface SoakPlan {
  connections: number;
  viewChanges: number;
  /** An empty filter in the place of ours: what is Envoy's own? */
  isFilterEmpty: boolean;
  parallel: number;
}

export interface SoakResult {
  connections: number;
  failed_connections: number;
  view_changes: number;
  /** Resident memory of both Envoys at each tenth of the way, the start first. */
  resident_mib: number[];
  /** What Envoy's allocator has given out of it and not got back. */
  allocated_mib: number[];
  /** From the fifth tenth to the end: before that Envoy still fills its caches. */
  growth_second_half_mib: number;
}

const POINTS = 10;
const HOSTS = 2;

export async function soak(
  load: LoadProcess,
  plan: SoakPlan,
  wasmPath: string,
  say: (text: string) => void,
): Promise<SoakResult> {
  const file = benchFile(places.SOAK_PREFIX, `${places.SERVICE.host}:${places.SERVICE.port}`, HOSTS);
  const envoys = await startNlbCluster({ file, wasmPath, tls: true });
  try {
    const memory = () => envoys.reduce((sum, envoy) => sum + residentBytes(envoy.pid()), 0) / 2 ** 20;
    const allocated = async () => {
      const each = await Promise.all(envoys.map((envoy) => envoy.admin.stats('^server\\.memory_allocated$')));
      return each.reduce((sum, stats) => sum + Number(stats.get('server.memory_allocated')), 0) / 2 ** 20;
    };
    const resident = [memory()];
    const given = [await allocated()];
    let failed = 0;
    let viewChanges = 0;
    for (let point = 1; point <= POINTS; point++) {
      const changing = changeViews(
        envoys,
        file,
        wasmPath,
        viewChanges,
        Math.round((plan.viewChanges * point) / POINTS),
      );
      const connections = Math.round(plan.connections / POINTS);
      const { parallel } = plan;
      const driving = load.drive({
        places: entriesOf(file),
        sources: places.CLIENTS,
        connections,
        parallel,
        hold: false,
      });
      const [changed, outcome] = await Promise.all([changing, driving]);
      viewChanges = changed;
      failed += outcome.failed;
      resident.push(memory());
      given.push(await allocated());
      const [mib, givenMib] = [resident[point]!.toFixed(1), given[point]!.toFixed(1)];
      say(`soak ${point * POINTS} %: ${mib} MiB, ${givenMib} allocated, ${viewChanges} view changes, ${failed} failed`);
    }
    const [middle, end] = [resident[POINTS / 2]!, resident[POINTS]!];
    return {
      connections: plan.connections,
      failed_connections: failed,
      view_changes: viewChanges,
      resident_mib: resident.map((mib) => Number(mib.toFixed(1))),
      allocated_mib: given.map((mib) => Number(mib.toFixed(1))),
      growth_second_half_mib: Number((end - middle).toFixed(1)),
    };
  } finally {
    await Promise.all(envoys.map((envoy) => envoy.stop()));
  }
}

/** Changes the view of both hosts, each time with other weights, and waits each time until both have it in force. */
async function changeViews(
  envoys: RunningEnvoy[],
  file: ClusterFile,
  wasmPath: string,
  from: number,
  to: number,
): Promise<number> {
  for (let change = from + 1; change <= to; change++) {
    const weights = { mail1: 40 + (change % 20), mail2: 60 - (change % 20) };
    const changed = { ...file, portRules: file.portRules.map((rule) => ({ ...rule, loadWeights: weights })) };
    await Promise.all(
      envoys.map(async (envoy, i) => {
        const version = `soak-${change}`;
        envoy.write('ecds', [filterOf(changed, file.hosts[i]!.name, change, wasmPath)], version);
        await waitFor(`view ${change} at host ${i + 1}`, async () => (await envoy.admin.taken()).ecds === version);
      }),
    );
  }
  return to;
}
