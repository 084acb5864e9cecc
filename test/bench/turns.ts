/**
 * The measurement: all variants in turn, again and again, so that whatever else the machine does meets each of them alike.
 * While one has its turn the others' proxies are stopped (SIGSTOP), and cost nothing.
 */
import { readCpu, withDescendants } from './cpu.js';
import type { LoadProcess } from './load-process.js';
import type { Running } from './variants.js';

/** Of many short turns this many are told. */
const SAID_TURNS = 50;

export interface TurnPlan {
  turns: number;
  /** Measured connections of one turn. */
  connections: number;
  /** Connections before them in each turn: caches warm, paused processes awake. */
  warmUp: number;
  /** Connections at a time. */
  parallel: number;
  /** Proxies and load on different CPUs; see pin.ts. */
  pin?: boolean;
}

/** One turn of one variant. */
export interface Measurement {
  proxyUsPerConnection: number;
  machineUsPerConnection: number;
  connectionsPerSecond: number;
  failed: number;
}

export class Lane {
  readonly measurements: Measurement[] = [];

  constructor(
    readonly name: string,
    private readonly variant: Running,
  ) {}

  get pids(): number[] {
    return this.variant.proxies.flatMap(({ pid }) => withDescendants(pid));
  }

  /** Where clients connect to, and with what addresses. */
  get ways(): { places: Running['places']; sources: string[] } {
    return { places: this.variant.places, sources: this.variant.clients };
  }

  pause(): void {
    for (const pid of this.pids) process.kill(pid, 'SIGSTOP');
  }

  resume(): void {
    for (const pid of this.pids) process.kill(pid, 'SIGCONT');
  }

  async turn(load: LoadProcess, plan: TurnPlan): Promise<void> {
    const { places, clients } = this.variant;
    const { connections, warmUp, parallel } = plan;
    const job = { places, sources: clients, parallel, hold: false };
    const { pids } = this;
    await load.drive({ ...job, connections: warmUp });
    const before = readCpu(pids);
    const { seconds, failed } = await load.drive({ ...job, connections });
    const after = readCpu(pids);
    this.measurements.push({
      proxyUsPerConnection: (after.proxyUs - before.proxyUs) / connections,
      machineUsPerConnection: (after.machineUs - before.machineUs) / connections,
      connectionsPerSecond: connections / seconds,
      failed,
    });
  }
}

export async function takeTurns(lanes: Lane[], load: LoadProcess, plan: TurnPlan, say: (text: string) => void) {
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
  };
  // Whoever is paused would not end by itself.
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  for (const lane of lanes) lane.pause();
  try {
    for (let turn = 1; turn <= plan.turns; turn++) {
      if (turn % Math.ceil(plan.turns / SAID_TURNS) === 0) say(`turn ${turn} of ${plan.turns}`);
      // There and back: what the one before left in the caches meets each of them as often.
      for (const lane of turn % 2 === 0 ? lanes.toReversed() : lanes) {
        if (interrupted) throw new Error('interrupted');
        lane.resume();
        await lane.turn(load, plan);
        lane.pause();
      }
    }
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    for (const lane of lanes) lane.resume();
  }
}
