/**
 * Follows Envoy's log of clients and keeps it small. It is a file, not a stream, so that what Envoy serves while the sidecar
 * starts again is not lost; where reading left off is part of what the sidecar saves.
 *
 *     clients.log        Envoy appends
 *     clients.log.read   the one before, until it is read to its end
 *
 * BOUNDED: both together some 2 MB while a sidecar runs. While none does, Envoy writes on, some 80 bytes at each end of a
 * connection; what is beyond READ_BACK_MAX of it is passed over at the next start.
 */
import { closeSync, fstatSync, openSync, readSync, renameSync, unlinkSync } from 'node:fs';
import { systemCode } from './edge-error.js';

const FILE_BYTES_MAX = 1024 * 1024;
const READ_BYTES_MAX = 256 * 1024;
const READ_BACK_MAX = 8 * 1024 * 1024;

/** Which file, and how much of it is read. */
export interface LogPlace {
  inode: number;
  offset: number;
}

/** There was no log yet: all that is in it is new. */
export const LOG_START: LogPlace = { inode: -1, offset: 0 };

interface Reading {
  path: string;
  file: number;
  place: LogPlace;
  rest: string;
}

export interface ClientLogOptions {
  path: string;
  /** Where the life before left off; null to pass over what is there. */
  from: LogPlace | null;
  take(line: string): void;
  /** Tells Envoy to open its logs anew. */
  reopen(): Promise<void>;
}

export class ClientLogFile {
  private reading: Reading | null = null;
  private reopening = false;
  /** Nothing new came since the log was opened anew. */
  private quietLooks = 0;

  constructor(private readonly options: ClientLogOptions) {
    this.reading = this.openFirst();
  }

  /** Null where there is no log yet. */
  get place(): LogPlace | null {
    const { reading } = this;
    // A line of which half is read is read again.
    return reading && { inode: reading.place.inode, offset: reading.place.offset - reading.rest.length };
  }

  /**
   * Takes what is new. To be called often; cheap where nothing is.
   *
   * @returns true where all that was written so far is taken
   */
  look(): boolean {
    this.reading ??= openAt(this.options.path, 0);
    const { reading } = this;
    if (!reading) return true;
    const isAll = this.read(reading);
    if (!isAll) return false;
    if (reading.path === this.readPath) this.finishOld(reading);
    else if (reading.place.offset >= FILE_BYTES_MAX) void this.rotate(reading);
    return true;
  }

  close(): void {
    if (this.reading) closeSync(this.reading.file);
    this.reading = null;
  }

  private get readPath(): string {
    return `${this.options.path}.read`;
  }

  private openFirst(): Reading | null {
    const { path, from } = this.options;
    for (const each of [this.readPath, path]) {
      const found = openAt(each, 0);
      if (!found) continue;
      const size = fstatSync(found.file).size;
      const isKnown = found.place.inode === from?.inode && from.offset <= size;
      if (isKnown || each === path) {
        const left = isKnown ? from.offset : from === null ? size : 0;
        found.place.offset = Math.max(left, size - READ_BACK_MAX);
        return found;
      }
      closeSync(found.file);
      unlinkSync(each);
    }
    return null;
  }

  private read(reading: Reading): boolean {
    const size = fstatSync(reading.file).size;
    // Emptied under us, by whomever.
    if (size < reading.place.offset) reading.place.offset = 0;
    const length = Math.min(size - reading.place.offset, READ_BYTES_MAX);
    if (length === 0) return true;
    this.quietLooks = 0;
    const bytes = Buffer.alloc(length);
    const count = readSync(reading.file, bytes, 0, length, reading.place.offset);
    reading.place.offset += count;
    const lines = (reading.rest + bytes.toString('latin1', 0, count)).split('\n');
    reading.rest = (lines.pop() ?? '').slice(-READ_BYTES_MAX);
    for (const line of lines) this.options.take(line);
    return reading.place.offset >= size;
  }

  private async rotate(reading: Reading): Promise<void> {
    if (this.reopening) return;
    this.reopening = true;
    try {
      renameSync(this.options.path, this.readPath);
      reading.path = this.readPath;
      this.quietLooks = 0;
      await this.options.reopen();
    } catch {
      // Envoy is down, or it comes back: it opens the file by its name then, and this one is read to its end.
    } finally {
      this.reopening = false;
    }
  }

  /** The old one is done with when Envoy has begun the new one and nothing came any more. */
  private finishOld(reading: Reading): void {
    this.quietLooks += 1;
    if (this.reopening || this.quietLooks < 3) return;
    const next = openAt(this.options.path, 0);
    if (!next) return void this.askAgain();
    closeSync(reading.file);
    unlinkSync(this.readPath);
    this.reading = next;
  }

  private askAgain(): void {
    this.quietLooks = 0;
    this.reopening = true;
    void this.options
      .reopen()
      .catch(() => {})
      .finally(() => {
        this.reopening = false;
      });
  }
}

function openAt(path: string, offset: number): Reading | null {
  try {
    const file = openSync(path, 'r');
    return { path, file, place: { inode: fstatSync(file).ino, offset }, rest: '' };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}
