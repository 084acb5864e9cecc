/**
 * The cluster keys of a running sidecar: those of the key file, read again when the file is replaced or edited. A file that
 * became unreadable or wrong is said, and the last good keys stay valid.
 */
import { fileStamp } from './file-stamp.js';
import { replaceFile } from './files.js';
import { type ClusterKeys, keyFileText, readKeyFile } from './key-file.js';

export class Keyring {
  private present: ClusterKeys;
  private seen: string;

  /** @throws KeyFileError */
  constructor(readonly path: string) {
    this.seen = fileStamp(path);
    this.present = readKeyFile(path);
  }

  get keys(): ClusterKeys {
    return this.present;
  }

  /**
   * Reads the file where it changed since it was read last.
   *
   * @returns the new keys, or null where they are what they were
   * @throws KeyFileError each time while the file is wrong
   */
  look(): ClusterKeys | null {
    const stamp = fileStamp(this.path);
    if (stamp === this.seen) return null;
    const keys = readKeyFile(this.path);
    this.seen = stamp;
    if (keyFileText(keys) === keyFileText(this.present)) return null;
    this.present = keys;
    return keys;
  }

  /** Writes the file, whole or not at all, and has the keys valid from then on. @throws EdgeError DISK_FULL and others */
  async replace(keys: ClusterKeys): Promise<void> {
    await replaceFile(this.path, keyFileText(keys));
    this.seen = fileStamp(this.path);
    this.present = keys;
  }
}
