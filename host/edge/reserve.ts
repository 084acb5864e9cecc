/**
 * A file that only takes up room: when the disk is full it is given up, so that the next view and the protocol's state still
 * find theirs. Without it Envoy would go on handing clients to hosts that have left (docs/faults.md, `disk_full_new_view`).
 *
 *     <stateDir>/reserve   256 KiB, 0600; on the same file system as all that a sidecar writes
 */
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { open, statfs, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from './clock.js';
import { systemCode } from './edge-error.js';

/** Room for a state.json and an ecds.json of 32 hosts, each for a moment beside its last one. */
export const RESERVE_BYTES = 256 * 1024;
/** A disk that is full to the brim again once the reserve is back is no better: as much must stay free beside it. */
const ROOM_MIN_BYTES = 2 * RESERVE_BYTES;
/** A full disk stays full for a while; each try costs a write of the whole reserve. */
const REFILL_GAP_MS = 10_000;

const NAME = 'reserve';

export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(systemCode(error));
}

/**
 * Gives the reserve up for a file that found no room.
 *
 * @param path  a file of the state directory, or of `envoy/` in it
 */
export async function spendReserve(path: string): Promise<void> {
  for (const directory of [dirname(path), dirname(dirname(path))]) {
    await unlink(join(directory, NAME)).catch(() => {});
  }
}

export class Reserve {
  private readonly path: string;
  private problem: string | null = null;
  private lastTryMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly directory: string,
    private readonly clock: Clock,
  ) {
    this.path = join(directory, NAME);
  }

  /**
   * Makes the reserve where it is missing and there is room, at most every 10 s. Never rejects.
   *
   * @returns what the administrator has to mend, or null while the reserve is whole
   */
  async look(): Promise<string | null> {
    if (this.isWhole()) {
      this.problem = null;
      return null;
    }
    const nowMs = this.clock.nowMs();
    if (nowMs - this.lastTryMs >= REFILL_GAP_MS) {
      this.lastTryMs = nowMs;
      this.problem = await this.refill();
    }
    return this.problem;
  }

  /** One that was cut short, by a crash while it was written, is no reserve. */
  private isWhole(): boolean {
    return statSync(this.path, { throwIfNoEntry: false })?.size === RESERVE_BYTES;
  }

  private async refill(): Promise<string | null> {
    try {
      const { bavail, bsize } = await statfs(this.directory);
      if (bavail * bsize < ROOM_MIN_BYTES) return this.fullText('ENOSPC');
      await this.write();
      return null;
    } catch (error) {
      await unlink(this.path).catch(() => {});
      if (isDiskFull(error)) return this.fullText(systemCode(error));
      return `Cannot make ${this.path}: ${systemCode(error)}; a full disk would stop this host from taking the next view`;
    }
  }

  private async write(): Promise<void> {
    const file = await open(this.path, 'w', 0o600);
    try {
      // Zeros would take no room where the file system compresses.
      await file.writeFile(randomBytes(RESERVE_BYTES));
      await file.sync();
    } finally {
      await file.close();
    }
  }

  private fullText(code: string): string {
    const room = `${ROOM_MIN_BYTES / 1024} KiB`;
    return `The disk under ${this.directory} is full (${code}); the reserve is in use: free at least ${room}`;
  }
}
