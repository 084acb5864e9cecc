/** Keeps the view history of this host: sees what the protocol puts in force, and finds what was in force at a time. */
import type { Clock } from './edge/clock.js';
import { HistoryFile } from './edge/history-file.js';
import { entryOf, type HistoryEntry, inForceOf, type StoredEntry, withoutView } from './history/entry.js';
import { frequentText, WINDOW_MS } from './history/frequent.js';
import type { Effect } from './protocol/events.js';
import type { InForce } from './protocol/types.js';

/** BOUNDED: entries of one answer; the newest. */
const ANSWER_MAX = 1000;
/** BOUNDED: entries kept in memory to see a view that changes too often. */
const RECENT_MAX = 200;

export interface PastInForce {
  inForce: InForce;
  /** ISO 8601, when it came in force here. */
  since: string;
}

/** BOUNDED: what came in force and was not told of as taken. */
const UNTAKEN_MAX = 10;

export class ViewHistory {
  private readonly file: HistoryFile;
  private untaken: { checksum: string; sinceMs: number }[] = [];
  private recent: HistoryEntry[] = [];
  private before: InForce | null = null;
  private convergingSinceMs: number | null = null;

  constructor(
    stateDirectory: string,
    private readonly clock: Clock,
    say: (topic: 'history', problem: string | null) => void,
  ) {
    this.file = new HistoryFile(stateDirectory, (problem) => say('history', problem));
  }

  /** Every effect of the protocol, in its order. */
  see(effect: Effect): void {
    if (effect.kind === 'notice' && effect.cause === 'converging') this.convergingSinceMs ??= this.clock.nowMs();
    if (effect.kind !== 'inForce') return;
    const nowMs = this.clock.nowMs();
    this.untaken = [...this.untaken.slice(1 - UNTAKEN_MAX), { checksum: effect.checksum, sinceMs: nowMs }];
    const convergingMs = this.convergingSinceMs === null ? 0 : Math.round(nowMs - this.convergingSinceMs);
    const isLoss = this.before?.view.checksum === effect.inForce.view.checksum;
    // A loss is in force at once; the convergence that follows it goes on.
    if (!isLoss) this.convergingSinceMs = null;
    const entry = entryOf(this.before, effect.inForce, {
      at: this.clock.wallIso(),
      cause: effect.cause,
      convergingMs: isLoss ? 0 : convergingMs,
    });
    this.before = effect.inForce;
    this.recent = [...this.recent.slice(1 - RECENT_MAX), withoutView(entry)];
    this.file.append(entry, effect.inForce.file);
  }

  /** Says when clients notice: Envoy decides by it. Null where that was said of this, or of something newer. */
  takenText({ view, lostSince }: InForce, checksum: string): string | null {
    const index = this.untaken.findIndex((each) => each.checksum === checksum);
    const given = this.untaken[index];
    if (given === undefined) return null;
    this.untaken = this.untaken.slice(index + 1);
    const less = lostSince.length === 0 ? '' : ` less ${lostSince.join(', ')}`;
    const ms = Math.round(this.clock.nowMs() - given.sinceMs);
    return `Envoy decides by view ${view.number}${less}, ${ms} ms after it came in force`;
  }

  /** What to say of a view that changes too often, or null. */
  frequent(): string | null {
    const nowMs = Date.parse(this.clock.wallIso());
    this.recent = this.recent.filter(({ at }) => nowMs - Date.parse(at) < WINDOW_MS);
    return frequentText(this.recent, nowMs);
  }

  /** Of all files that are kept; of the one in force, too. */
  virtualIps(): Promise<string[]> {
    return this.file.virtualIps();
  }

  /** Oldest first, the newest `ANSWER_MAX` of them. */
  async list(since: string | null): Promise<HistoryEntry[]> {
    const entries = await this.file.read();
    const wanted = since === null ? entries : entries.filter(({ at }) => at >= since);
    return wanted.slice(-ANSWER_MAX).map(withoutView);
  }

  /** @throws Error with a sentence where the history does not go back that far, or its file is not kept any more */
  async inForceAt(at: string): Promise<PastInForce> {
    const entries = await this.file.read();
    const entry = lastBefore(entries, at);
    if (entry === null) {
      const first = entries[0]?.at ?? null;
      throw new Error(`Nothing is known of ${at}: the view history begins ${first === null ? 'now' : `at ${first}`}`);
    }
    const file = await this.file.fileOf(entry.fingerprint);
    if (file === null)
      throw new Error(`The cluster file ${entry.fingerprint} of view ${entry.viewNumber} is not kept any more`);
    return { inForce: inForceOf(entry, file), since: entry.at };
  }

  close(): Promise<void> {
    return this.file.settled();
  }
}

function lastBefore(entries: readonly StoredEntry[], at: string): StoredEntry | null {
  const time = Date.parse(at);
  return entries.findLast((entry) => Date.parse(entry.at) <= time) ?? null;
}
