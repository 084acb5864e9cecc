/**
 * A revision: one text of the cluster file with its number, who brought it and why, sealed with the cluster key. It travels
 * over the host channel, sealed anew by each host that sends it, and lies in every host's state directory.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ClusterKeys } from '../edge/key-file.js';
import type { Fingerprint, HostName } from '../protocol/types.js';

export interface Revision {
  /** One more with every applied change; 0 and whatever was in force before for a file put there by hand. */
  revision: number;
  fingerprint: Fingerprint;
  /** The cluster file, as the administrator wrote it. */
  text: string;
  /** `applied`, `rollback to revision 4`, `by hand` ... */
  cause: string;
  /** `root on mail1` */
  by: string;
  /** ISO 8601, by the clock of the host it was brought to. For people. */
  at: string;
  /** Hosts left behind: the others do not wait for them. */
  without: HostName[];
  /** Taken back after so long unless it is confirmed; null where it stays. */
  confirmMs: number | null;
}

export interface SealedRevision {
  revision: Revision;
  keyId: number;
  /** HMAC-SHA-256, hex. */
  mac: string;
}

export function sealRevision(revision: Revision, clusterName: string, { sealing }: ClusterKeys): SealedRevision {
  return { revision, keyId: sealing.id, mac: macOf(revision, clusterName, sealing.bytes).toString('hex') };
}

/** @throws Error with a sentence where it is no revision, or not sealed with a valid key of this cluster */
export function openRevision(value: unknown, clusterName: string, keys: ClusterKeys): Revision {
  const { revision, keyId, mac } = (value ?? {}) as Partial<SealedRevision>;
  if (!isRevision(revision) || typeof keyId !== 'number' || typeof mac !== 'string') {
    throw new Error('it is no sealed revision of a cluster file');
  }
  const key = keys.valid.find(({ id }) => id === keyId);
  if (key === undefined) throw new Error(`it is sealed with the cluster key of id ${keyId}, which is not known here`);
  const given = Buffer.from(mac, 'hex');
  const wanted = macOf(revision, clusterName, key.bytes);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    throw new Error('its seal does not fit: it was changed on the way, or is of another cluster');
  }
  return revision;
}

/** A purpose of its own, so that no heartbeat's seal can stand for a file's. */
function macOf(revision: Revision, clusterName: string, key: Uint8Array): Buffer {
  const { revision: number, fingerprint, text, cause, by, at, without, confirmMs } = revision;
  const sealed = ['envoy-nlb revision', clusterName, number, fingerprint, text, cause, by, at, without, confirmMs];
  return createHmac('sha256', key).update(JSON.stringify(sealed)).digest();
}

function isRevision(value: unknown): value is Revision {
  const revision = (value ?? {}) as Partial<Record<keyof Revision, unknown>>;
  const { without, confirmMs } = revision;
  return (
    Number.isSafeInteger(revision.revision) &&
    [revision.fingerprint, revision.text, revision.cause, revision.by, revision.at].every(
      (text) => typeof text === 'string',
    ) &&
    Array.isArray(without) &&
    without.every((name) => typeof name === 'string') &&
    (confirmMs === null || typeof confirmMs === 'number')
  );
}
