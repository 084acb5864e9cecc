/**
 * The cluster file: text in, a checked ClusterFile out, or every mistake in it at once. Pure: the caller reads the file.
 *
 * The schema is docs/cluster-file.schema.json; what a schema cannot say (overlaps, duplicates, collisions) is in check-*.
 */
import type { ClusterFile } from '../types.js';
import type { Finding } from './finding.js';

export type { Finding } from './finding.js';
export { findingLine } from './finding.js';

export type ParseResult = { file: ClusterFile; warnings: Finding[] } | { errors: Finding[]; warnings: Finding[] };

/** Parses and checks a cluster file. `path` only names the file in findings. Never throws. */
export function parseClusterFile(_text: string, _path: string): ParseResult {
  throw new Error('parseClusterFile: to come');
}
