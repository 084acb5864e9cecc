/** HMAC-SHA-256 with the cluster's keys, for the protocol, which does no cryptography of its own. */
import { createHmac } from 'node:crypto';
import type { Authenticator } from '../protocol/events.js';
import type { ClusterKeys } from './key-file.js';

/** @param keys  asked each time: they change while the sidecar runs */
export function authenticatorOf(keys: () => ClusterKeys): Authenticator {
  return {
    get keyId() {
      return keys().sealing.id;
    },
    mac(keyId, bytes) {
      const key = keys().valid.find(({ id }) => id === keyId);
      return key ? new Uint8Array(createHmac('sha256', key.bytes).update(bytes).digest()) : null;
    },
  };
}
