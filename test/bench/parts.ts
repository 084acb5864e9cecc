/** The parts of a benchmark run, each on proxies of its own that it starts and ends. */
import { LoadProcess } from './load-process.js';
import { compareOpen, type OpenConnections } from './open-connections.js';
import { pin } from './pin.js';
import { type SoakPlan, type SoakResult, soak } from './soak.js';
import { Lane, takeTurns, type TurnPlan } from './turns.js';
import { type Running, SERVICES, type Variant, VARIANTS } from './variants.js';
import { wasmPaths } from './wasm.js';

export type Say = (text: string) => void;

/** Envoys that are compared with themselves under many open connections, and how many. */
const OPEN = { names: ['nlb_bare', 'nlb_local'], connections: 9000, turns: 5 };

async function withLoad<T>(work: (load: LoadProcess) => Promise<T>): Promise<T> {
  const load = LoadProcess.start();
  try {
    await load.serve(SERVICES);
    return await work(load);
  } finally {
    load.stop();
  }
}

const stopAll = (all: Running[]) => Promise.all(all.flatMap(({ proxies }) => proxies.map((proxy) => proxy.stop())));

export function measureTurns(variants: readonly Variant[], plan: TurnPlan, say: Say): Promise<Lane[]> {
  const wasm = wasmPaths();
  return withLoad(async (load) => {
    const started: Running[] = [];
    try {
      const lanes: Lane[] = [];
      for (const variant of variants) {
        say(`starting ${variant.name}: ${variant.what}`);
        const running = await variant.start(wasm);
        started.push(running);
        lanes.push(new Lane(variant.name, running));
      }
      if (plan.pin)
        pin(
          lanes.flatMap(({ pids }) => pids),
          load.pid,
        );
      await takeTurns(lanes, load, plan, say);
      return lanes;
    } finally {
      await stopAll(started);
    }
  });
}

export function measureOpen(plan: TurnPlan, say: Say): Promise<Record<string, OpenConnections>> {
  const wasm = wasmPaths();
  return withLoad(async (load) => {
    const results: Record<string, OpenConnections> = {};
    for (const variant of VARIANTS.filter(({ name }) => OPEN.names.includes(name))) {
      say(`${OPEN.connections} open connections: ${variant.name}`);
      const running = await variant.start(wasm);
      try {
        results[variant.name] = await compareOpen(running, load, { ...plan, turns: OPEN.turns }, OPEN.connections);
      } finally {
        await stopAll([running]);
      }
    }
    return results;
  });
}

export function measureSoak(plan: SoakPlan, say: Say): Promise<SoakResult> {
  return withLoad((load) => soak(load, plan, plan.isFilterEmpty ? wasmPaths().empty : wasmPaths().filter, say));
}
