/** Does a new connection cost more while thousands are open? Each variant against itself, in turns. */
import type { LoadProcess } from './load-process.js';
import { estimateOf, ratiosOf } from './statistics.js';
import { Lane, type TurnPlan } from './turns.js';
import type { Running } from './variants.js';

export interface OpenConnections {
  open: number;
  cpu_us_with_none_open: number;
  cpu_us_with_many_open: number;
  /** Turn by turn, many over none. */
  ratio: number;
  ratio_interval: [number, number];
}

/** @param open  connections held; below Envoy's limit, which the hard limit of open files sets */
export async function compareOpen(
  running: Running,
  load: LoadProcess,
  plan: TurnPlan,
  open: number,
): Promise<OpenConnections> {
  const [none, many] = [new Lane('none', running), new Lane('many', running)];
  for (let turn = 0; turn < plan.turns; turn++) {
    await none.turn(load, plan);
    const held = await load.drive({
      places: running.places,
      sources: running.clients,
      connections: open,
      parallel: plan.parallel,
      hold: true,
    });
    if (held.failed > 0) throw new Error(`${held.failed} of ${open} connections failed that should stay open`);
    await many.turn(load, plan);
    await load.release();
  }
  const [a, b] = [none, many].map((lane) => lane.measurements.map((one) => one.proxyUsPerConnection)) as [
    number[],
    number[],
  ];
  const ratio = estimateOf(ratiosOf(b, a));
  return {
    open,
    cpu_us_with_none_open: Number(estimateOf(a).median.toFixed(1)),
    cpu_us_with_many_open: Number(estimateOf(b).median.toFixed(1)),
    ratio: Number(ratio.median.toFixed(3)),
    ratio_interval: [Number(ratio.low.toFixed(3)), Number(ratio.high.toFixed(3))],
  };
}
