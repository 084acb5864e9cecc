/**
 * Clients while a configuration changes under them: held sessions that echo in turn, and new connections all the time.
 * How a held session ends is told apart: cut (the other end closed it), reset, or silent (open, and no echo comes).
 * Each one that ends is counted and opened again, so that the next change meets as many.
 */
import { connect, type Socket } from 'node:net';
import { sleep, waitFor } from '../../e2e/harness/wait.js';
import type { Place } from '../load-process.js';

export interface LoadCounts {
  held_sessions: number;
  /** Of held sessions, each time one ended that the client had not ended. */
  held_cut: number;
  held_reset: number;
  held_silent: number;
  echoes: number;
  /** Those that held sessions were opened by are among them. */
  new_connections: number;
  /** New connections without a greeting, and what they met: `ECONNRESET 3`. */
  new_failed: number;
  new_failures: string[];
}

/** What has not come by then does not come. */
const PATIENCE_MS = 10_000;
/** New connections at a time, each after a pause: some 200/s, which leaves two CPUs time for what is measured. */
const CLIENTS = 6;
const PAUSE_MS = 25;
/** Between two echoes; 60 sessions have their turn in some 0.6 s. */
const ECHO_PAUSE_MS = 10;

type Ending = 'held_cut' | 'held_reset' | 'held_silent';

export class ChangesLoad {
  private readonly counts: LoadCounts;
  private readonly failures = new Map<string, number>();
  private readonly held: Socket[] = [];
  private isOver = false;
  private rounds = 0;
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly places: readonly Place[],
    private readonly sources: readonly string[],
    heldCount: number,
  ) {
    this.counts = {
      held_sessions: heldCount,
      held_cut: 0,
      held_reset: 0,
      held_silent: 0,
      echoes: 0,
      new_connections: 0,
      new_failed: 0,
      new_failures: [],
    };
  }

  /** Resolves when all sessions are held and new connections are on their way. */
  async start(): Promise<void> {
    const { held_sessions } = this.counts;
    await Promise.all(Array.from({ length: held_sessions }, (_, slot) => this.hold(slot)));
    const held = this.held.filter((socket) => socket !== undefined).length;
    if (held < held_sessions) {
      throw new Error(`Only ${held} of ${held_sessions} sessions opened before any change: ${this.failureTexts()}`);
    }
    this.work = Promise.all([this.echoInTurn(), ...Array.from({ length: CLIENTS }, (_, i) => this.visit(i))]);
  }

  /** Resolves when every held session had its turn to echo after this was called. */
  async echoed(): Promise<void> {
    const wanted = this.rounds + 2;
    await waitFor('every held session to have its turn', () => this.rounds >= wanted, 2 * PATIENCE_MS);
  }

  async stop(): Promise<LoadCounts> {
    this.isOver = true;
    await this.work;
    for (const socket of this.held) socket?.destroy();
    return { ...this.counts, new_failures: this.failureTexts() };
  }

  private failureTexts(): string[] {
    return [...this.failures].map(([what, count]) => `${what} ${count}`).sort();
  }

  /** Opens the session of that slot; the same client again where it had ended. */
  private async hold(slot: number): Promise<void> {
    const socket = await this.greeted(slot);
    if (socket === null) return;
    this.held[slot] = socket;
    let ending: Ending = 'held_cut';
    socket.on('error', (error: NodeJS.ErrnoException) => {
      ending = error.message === SILENT ? 'held_silent' : 'held_reset';
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      delete this.held[slot];
      if (this.isOver) return;
      this.counts[ending]++;
      void this.hold(slot);
    });
  }

  private async echoInTurn(): Promise<void> {
    while (!this.isOver) {
      for (let slot = 0; slot < this.counts.held_sessions && !this.isOver; slot++) {
        const socket = this.held[slot];
        if (socket !== undefined && (await echo(socket))) this.counts.echoes++;
        await sleep(ECHO_PAUSE_MS);
      }
      this.rounds++;
    }
  }

  private async visit(client: number): Promise<void> {
    for (let turn = client; !this.isOver; turn += CLIENTS) {
      (await this.greeted(turn))?.destroy();
      await sleep(PAUSE_MS);
    }
  }

  /** A new connection that has its greeting; null where it has failed, which is counted. */
  private greeted(turn: number): Promise<Socket | null> {
    const place = this.places[turn % this.places.length]!;
    // Each time round the places the next client, so that every client comes to all of them.
    const source = this.sources[Math.floor(turn / this.places.length) % this.sources.length]!;
    this.counts.new_connections++;
    return new Promise((resolve) => {
      const socket = connect({ ...place, localAddress: source });
      const fail = (what: string) => {
        socket.removeAllListeners().on('error', () => {});
        socket.destroy();
        this.counts.new_failed++;
        this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
        resolve(null);
      };
      socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
      socket.on('end', () => fail('closed'));
      socket.setTimeout(PATIENCE_MS, () => fail('silent'));
      socket.once('data', () => {
        socket.removeAllListeners().setTimeout(0);
        socket.on('error', () => {});
        resolve(socket);
      });
    });
  }
}

const SILENT = 'no echo';

/** True where it came; a session that is silent is ended with that error. */
function echo(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (came: boolean) => {
      clearTimeout(patience);
      socket.off('data', onData).off('close', onClose);
      resolve(came);
    };
    const onData = () => finish(true);
    const onClose = () => finish(false);
    const patience = setTimeout(() => socket.destroy(new Error(SILENT)), PATIENCE_MS);
    socket.on('data', onData).on('close', onClose);
    socket.write('NOOP\r\n');
  });
}
