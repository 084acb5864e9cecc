/** New connections and one download at a time through each way of networks.ts, in turns. */
import { readCpu } from '../cpu.js';
import { estimateOf, ratiosOf } from '../statistics.js';
import { takeTurns, type TurnPlan } from '../turns.js';
import { startKernelNetwork } from './networks.js';

const BULK_BYTES = 256 << 20;
const BULK_TURNS = 5;

export interface KernelTurn {
  machine_cpu_us_per_connection: number;
  machine_cpu_us_interval: [number, number];
  connections_per_second: number;
  failed_connections: number;
  /** Against `direct`, turn by turn. */
  machine_ratio: number;
  machine_ratio_interval: [number, number];
  bulk_mb_per_second: number;
  bulk_cpu_ms_per_mb: number;
}

const round = (value: number, digits = 1): number => Number(value.toFixed(digits));

export async function measureKernelTurns(
  plan: TurnPlan,
  say: (text: string) => void,
): Promise<Record<string, KernelTurn>> {
  const network = await startKernelNetwork();
  const { lanes, load } = network;
  try {
    await takeTurns(lanes, load, plan, say);
    const machine = lanes.map((lane) => lane.measurements.map((one) => one.machineUsPerConnection));
    say('downloads');
    const bulk = await downloads(network, say);
    const rows = lanes.map((lane, i): [string, KernelTurn] => {
      const cpu = estimateOf(machine[i]!);
      const ratio = estimateOf(ratiosOf(machine[i]!, machine[0]!));
      return [
        lane.name,
        {
          machine_cpu_us_per_connection: round(cpu.median),
          machine_cpu_us_interval: [round(cpu.low), round(cpu.high)],
          connections_per_second: Math.round(
            estimateOf(lane.measurements.map((one) => one.connectionsPerSecond)).median,
          ),
          failed_connections: lane.measurements.reduce((sum, { failed }) => sum + failed, 0),
          machine_ratio: round(ratio.median, 3),
          machine_ratio_interval: [round(ratio.low, 3), round(ratio.high, 3)],
          ...bulk[i]!,
        },
      ];
    });
    return Object.fromEntries(rows);
  } finally {
    await network.remove();
  }
}

type Bulk = Pick<KernelTurn, 'bulk_mb_per_second' | 'bulk_cpu_ms_per_mb'>;

/** One connection that is sent 256 MiB, in each lane, in turns. */
async function downloads(
  { lanes, load, bulk }: Awaited<ReturnType<typeof startKernelNetwork>>,
  say: (text: string) => void,
): Promise<Bulk[]> {
  const megabytes = BULK_BYTES / 1e6;
  const seconds: number[][] = lanes.map(() => []);
  const cpuUs: number[][] = lanes.map(() => []);
  await bulk(BULK_BYTES);
  for (let turn = 0; turn < BULK_TURNS; turn++) {
    for (const [i, lane] of lanes.entries()) {
      const job = { ...lane.ways, connections: 1, parallel: 1, hold: false, bulkBytes: BULK_BYTES };
      const before = readCpu([]);
      const outcome = await load.drive(job);
      if (outcome.failed > 0) say(`a download through ${lane.name} failed`);
      seconds[i]!.push(outcome.seconds);
      cpuUs[i]!.push(readCpu([]).machineUs - before.machineUs);
    }
  }
  await bulk(0);
  return lanes.map((_, i) => ({
    bulk_mb_per_second: Math.round(megabytes / estimateOf(seconds[i]!).median),
    bulk_cpu_ms_per_mb: round(estimateOf(cpuUs[i]!).median / 1000 / megabytes, 2),
  }));
}
