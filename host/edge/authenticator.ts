/** HMAC-SHA-256 with the cluster's keys, for the protocol, which does no cryptography of its own. */
import { createHmac } from 'node:crypto';
import type { Authenticator } from '../protocol/events.js';
import type { ClusterKeys } from './key-file.js';

export function authenticatorOf({ sealing, valid }: ClusterKeys): Authenticator {
  const keys = new Map(valid.map(({ id, bytes }) => [id, bytes]));
  return {
    keyId: sealing.id,
    mac(keyId, bytes) {
      const key = keys.get(keyId);
      return key ? new Uint8Array(createHmac('sha256', key).update(bytes).digest()) : null;
    },
  };
}
