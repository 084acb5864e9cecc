/** The cluster file on disk: read, parsed, checked, with its fingerprint and the place of its key. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Finding, fingerprintOf, parseClusterFile } from '../protocol/config/index.js';
import type { ClusterFile, Fingerprint } from '../protocol/types.js';
import { systemCode } from './edge-error.js';

export const DEFAULT_CLUSTER_FILE = '/etc/envoy-nlb/cluster.yaml';

export type LoadedClusterFile =
  | { ok: true; file: ClusterFile; fingerprint: Fingerprint; keyPath: string; warnings: Finding[] }
  | { ok: false; errors: Finding[]; warnings: Finding[] };

/** Never throws; a file that cannot be read is a finding like any other. */
export function loadClusterFile(path: string): LoadedClusterFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { ok: false, errors: [unreadable(path, error)], warnings: [] };
  }
  const parsed = parseClusterFile(text, path);
  if ('errors' in parsed) return { ok: false, ...parsed };
  const { file, warnings } = parsed;
  const keyPath = resolve(dirname(path), file.keyFile);
  return { ok: true, file, fingerprint: fingerprintOf(file, sha256), keyPath, warnings };
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

function unreadable(path: string, error: unknown): Finding {
  const code = systemCode(error);
  const why = code === 'ENOENT' ? 'there is no such file; nlb init makes one' : code;
  const message = `cannot be read: ${why}`;
  return { path: '', file: path, line: 1, column: 1, value: null, expected: 'a readable cluster file', message };
}
