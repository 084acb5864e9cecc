/** The recent clients on disk: `<stateDir>/clients.json`. Written now and then; what is younger is read again in Envoy's log. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Milliseconds } from '../protocol/types.js';
import type { SavedClients } from '../stick/saved.js';
import { replaceFile } from './files.js';

const SAVE_MS = 10_000;
/** A table of so many is written half as often: some 2 MB are not flushed every 10 s for nothing. */
const CLIENTS_FOR_HALF = 10_000;

export class SavedClientsFile {
  private readonly path: string;
  /** The first look saves: from then on a kill loses nothing that Envoy logs. */
  private savedMs: Milliseconds = Number.NEGATIVE_INFINITY;
  private saving: Promise<void> | null = null;

  /** @param say  told what is wrong after each write, or null */
  constructor(
    stateDirectory: string,
    private readonly say: (problem: string | null) => void,
  ) {
    this.path = join(stateDirectory, 'clients.json');
  }

  /** Null where it is missing or cut: the other hosts know whom they serve, and this one learns anew. */
  read(): unknown {
    try {
      return JSON.parse(readFileSync(this.path, 'utf8'));
    } catch {
      return null;
    }
  }

  isDue(nowMs: Milliseconds, clientCount: number): boolean {
    return nowMs - this.savedMs >= SAVE_MS * (1 + clientCount / CLIENTS_FOR_HALF) && this.saving === null;
  }

  /** BOUNDED: one write at a time. */
  save(saved: SavedClients, nowMs: Milliseconds): Promise<void> {
    this.savedMs = nowMs;
    this.saving ??= replaceFile(this.path, JSON.stringify(saved), 0o600, 'either')
      .then(
        () => this.say(null),
        (error: Error) => this.say(`Recent clients are not saved, a restart forgets them: ${error.message}`),
      )
      .finally(() => {
        this.saving = null;
      });
    return this.saving;
  }

  async settled(): Promise<void> {
    await this.saving;
  }
}
