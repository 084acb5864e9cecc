/**
 * The revisions that were in force on this host, in their order, as files of the state directory:
 *
 *     <stateDir>/revisions/00000007.json      StoredRevision; the highest name is the one in force
 *     <stateDir>/revisions/offered.json       Revision; about to be, as a crash may come between both
 *
 * A file put there by hand is kept as well, so that there is a way back from whatever came after it.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../edge/files.js';
import type { Revision } from './revision.js';

/** BOUNDED: files kept; a cluster file has some KB. */
const KEPT_MAX = 30;
const OFFERED = 'offered.json';

export interface StoredRevision extends Revision {
  /** False until `nlb confirm`, for one that asks for it. */
  isConfirmed: boolean;
  /** The cluster file on the disk is this one. */
  isWritten: boolean;
}

export class RevisionStore {
  private readonly directory: string;
  private entries: { order: number; stored: StoredRevision }[];

  /** What cannot be read is left out: it is the past, and nothing that decides depends on it. */
  constructor(stateDir: string) {
    this.directory = join(stateDir, 'revisions');
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    this.entries = readdirSync(this.directory)
      .filter((name) => /^[0-9]{8}\.json$/.test(name))
      .sort()
      .flatMap((name) => {
        const stored = readStored(join(this.directory, name));
        return stored === null ? [] : [{ order: Number(name.slice(0, 8)), stored }];
      });
  }

  /** Oldest first. */
  get all(): StoredRevision[] {
    return this.entries.map(({ stored }) => stored);
  }

  get newest(): StoredRevision | null {
    return this.entries.at(-1)?.stored ?? null;
  }

  /** What was offered when the sidecar ended; null where nothing was. */
  get offered(): Revision | null {
    return readStored(join(this.directory, OFFERED));
  }

  /** @throws EdgeError: what cannot be kept must not be offered */
  async keepOffered(revision: Revision): Promise<void> {
    await replaceFile(join(this.directory, OFFERED), `${JSON.stringify(revision)}\n`);
  }

  async forgetOffered(): Promise<void> {
    await unlink(join(this.directory, OFFERED)).catch(() => {});
  }

  /** @throws EdgeError DISK_FULL or FILE_NOT_WRITTEN; it is known in this process all the same */
  async add(revision: Revision, isWritten: boolean): Promise<void> {
    const order = (this.entries.at(-1)?.order ?? 0) + 1;
    const stored = { ...revision, isConfirmed: revision.confirmMs === null, isWritten };
    this.entries.push({ order, stored });
    const tooOld = this.entries.splice(0, Math.max(0, this.entries.length - KEPT_MAX));
    await this.write(order, stored);
    for (const { order: gone } of tooOld) await unlink(this.path(gone)).catch(() => {});
  }

  /** The newest, as it is from now on: confirmed, or under another number. */
  async renew(change: Partial<StoredRevision>): Promise<void> {
    const entry = this.entries.at(-1);
    if (entry === undefined) return;
    entry.stored = { ...entry.stored, ...change };
    await this.write(entry.order, entry.stored);
  }

  private write(order: number, stored: StoredRevision): Promise<void> {
    return replaceFile(this.path(order), `${JSON.stringify(stored)}\n`);
  }

  private path(order: number): string {
    return join(this.directory, `${String(order).padStart(8, '0')}.json`);
  }
}

function readStored(path: string): StoredRevision | null {
  try {
    const stored = JSON.parse(readFileSync(path, 'utf8')) as Partial<StoredRevision>;
    return typeof stored.text === 'string' && typeof stored.revision === 'number' ? (stored as StoredRevision) : null;
  } catch {
    return null;
  }
}
