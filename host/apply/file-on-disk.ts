/** The cluster file that this host was started with: rewritten when a revision is in force, and watched for hands. */
import { realpathSync, statSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { loadClusterFile } from '../edge/cluster-file.js';
import { fileStamp, NO_FILE } from '../edge/file-stamp.js';
import { replaceFile } from '../edge/files.js';
import { textAt } from '../edge/text-at.js';
import type { Fingerprint } from '../protocol/types.js';

/** BOUNDED: `FILE.rev-N` of so many revisions stay. */
const KEPT_REVISIONS = 10;
const DEFAULT_MODE = 0o644;

export class FileOnDisk {
  private lookedAt = '';
  private found: { fingerprint: Fingerprint | null; text: string | null } = { fingerprint: null, text: null };

  constructor(readonly path: string) {}

  /** Its text where its fingerprint is that one, else null. */
  textOf(fingerprint: Fingerprint): string | null {
    this.look();
    return this.found.fingerprint === fingerprint ? this.found.text : null;
  }

  /**
   * What is on the disk and neither in force nor offered, as a sentence; null where there is no such thing.
   *
   * @param known  fingerprints of the file in force and of the one on offer
   */
  edited(known: readonly (Fingerprint | null)[], inForce: string): string | null {
    this.look();
    const { fingerprint } = this.found;
    if (fingerprint !== null && known.includes(fingerprint)) return null;
    const what = fingerprint === null ? 'cannot be read or has mistakes (nlb check)' : `was changed (${fingerprint})`;
    return (
      `${this.path} ${what} and is not in force; in force is ${inForce}. ` +
      `nlb apply ${this.path} brings it to all hosts, nlb reload offers it on this one`
    );
  }

  /**
   * Puts the text of a revision that is in force there. The text before goes to `FILE.rev-N`; what was neither (somebody's
   * unfinished work) to `FILE.not-in-force`.
   *
   * @throws EdgeError DISK_FULL or FILE_NOT_WRITTEN
   */
  async write(
    text: string,
    before: { revision: number; fingerprint: Fingerprint; text: string } | null,
  ): Promise<void> {
    this.look();
    const path = realPath(this.path);
    const mode = modeOf(path);
    const { found } = this;
    if (before !== null) {
      await replaceFile(`${path}.rev-${before.revision}`, before.text, mode);
      await unlink(`${path}.rev-${before.revision - KEPT_REVISIONS}`).catch(() => {});
    }
    if (found.text === text) return;
    const isOther = found.text !== null && found.fingerprint !== before?.fingerprint;
    if (isOther) await replaceFile(`${path}.not-in-force`, found.text!, mode);
    await replaceFile(path, text, mode);
  }

  /** Read again only when it changed. */
  private look(): void {
    const stamp = fileStamp(this.path);
    if (stamp === this.lookedAt && stamp !== NO_FILE) return;
    this.lookedAt = stamp;
    const loaded = loadClusterFile(this.path);
    this.found = { fingerprint: loaded.ok ? loaded.fingerprint : null, text: textAt(this.path) };
  }
}

/** A link goes on leading to where the file is. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function modeOf(path: string): number {
  try {
    return statSync(path).mode & 0o777;
  } catch {
    return DEFAULT_MODE;
  }
}
