/**
 * Files that are either the old ones or the new ones, whole: written beside, flushed to disk, then renamed over. Envoy
 * re-reads a file only when it is moved into place, and a full disk or a power cut leaves the last good one.
 */
import { open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { EdgeError, systemCode } from './edge-error.js';
import { isDiskFull, spendReserve } from './reserve.js';

/** Makes two writers of one path in this process use two names beside it. */
let writeCount = 0;

/**
 * Replaces the file at `path` by one with `content`; on a full disk at the cost of the reserve.
 *
 * @param mode    file mode of the new file; 0600 unless said otherwise, because views name the hash seed
 * @param keeps   `new`: a power cut after this has resolved leaves the new file. `either`: the old or the new one, whole, and
 *                half the waiting; for files that are written anew at each start
 * @throws EdgeError DISK_FULL or FILE_NOT_WRITTEN; the old file is then still there and nothing is left beside it
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
  keeps: 'new' | 'either' = 'new',
): Promise<void> {
  try {
    await replaceOnce(path, content, mode).catch(async (error: unknown) => {
      if (!isDiskFull(error)) throw error;
      // Another writer may have given it up a moment ago: its room is worth a try all the same.
      await spendReserve(path);
      await replaceOnce(path, content, mode);
    });
    if (keeps === 'new') await syncDirectory(dirname(path));
  } catch (error) {
    throw writeError(path, error);
  }
}

async function replaceOnce(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  writeCount += 1;
  const beside = join(dirname(path), `.${basename(path)}.${process.pid}.${writeCount}`);
  try {
    const file = await open(beside, 'w', mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await unlink(beside).catch(() => {});
    throw error;
  }
}

/** Without it a power cut may take back the rename, though the file's own bytes are on disk. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function writeError(path: string, error: unknown): EdgeError {
  const code = systemCode(error);
  if (isDiskFull(error)) {
    return new EdgeError('DISK_FULL', `Cannot write ${path}: the disk is full (${code}); the last good file stays`);
  }
  return new EdgeError('FILE_NOT_WRITTEN', `Cannot write ${path}: ${code}; the last good file stays`);
}
