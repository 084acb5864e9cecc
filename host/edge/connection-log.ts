/** The connection log's file: Envoy writes it, this keeps it bounded. Both happen beside serving: a full disk costs lines alone. */
import { mkdirSync } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { connectionLogPath } from '../protocol/config/connection-log.js';
import type { ClusterFile, HostName } from '../protocol/types.js';
import { systemCode } from './edge-error.js';

const MIB = 1024 * 1024;

/** Envoy refuses a listener whose log it cannot open, and makes no folders. Where this fails, Envoy says why. */
export function makeRoomForLog({ connectionLog }: ClusterFile, self: HostName): void {
  const path = connectionLog === undefined ? null : connectionLogPath(connectionLog, self);
  if (path === null) return;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  } catch {}
}

/**
 * Puts a log that has grown too large aside, in place of the one before. BOUNDED: twice maxMiB, and what comes meanwhile.
 *
 * @param reopen  lets Envoy open its logs anew
 * @returns       what is wrong, for the administrator, or null
 */
export async function boundConnectionLog(
  { connectionLog }: ClusterFile,
  self: HostName,
  reopen: () => Promise<void>,
): Promise<string | null> {
  const path = connectionLog === undefined ? null : connectionLogPath(connectionLog, self);
  if (path === null) return null;
  try {
    const { size } = await stat(path);
    if (size <= connectionLog!.maxMiB * MIB) return null;
    await rename(path, `${path}.1`);
    await reopen();
    return null;
  } catch (error) {
    // Before the first line, and for a moment after it was put aside.
    if (systemCode(error) === 'ENOENT') return null;
    return `The connection log ${path} cannot be kept below ${connectionLog!.maxMiB} MiB: ${(error as Error).message}`;
  }
}
