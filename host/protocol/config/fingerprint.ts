/**
 * The fingerprint of a cluster file: what two hosts compare to know that they were given the same settings.
 *
 * It is taken from the checked file, not from its text: comments, order of keys, spellings of addresses and defaults
 * written out change nothing. SHA-256 is an argument, because this code imports nothing from outside.
 */
import type { ClusterFile, Fingerprint } from '../types.js';

/** Changes with every change of the canonical form, so that two forms never give one fingerprint by chance. */
const FORM = 'envoy-nlb cluster file 1\n';

/** First 8 bytes of SHA-256 over the canonical form, as 16 hex digits. */
export function fingerprintOf(file: ClusterFile, sha256: (bytes: Uint8Array) => Uint8Array): Fingerprint {
  const digest = sha256(new TextEncoder().encode(canonicalText(file)));
  return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** JSON with the keys of every map in order; lists keep theirs (hosts are sorted already, the order of rules counts). */
export function canonicalText(file: ClusterFile): string {
  return FORM + JSON.stringify(sorted(file));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted((value as Record<string, unknown>)[key])]));
}
