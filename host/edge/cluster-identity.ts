/**
 * What the hosts of a cluster show each other: one certificate for handoffs and one for the host channel, made from the
 * cluster key alone. Every host makes the same bytes, so nothing is issued, stored or renewed, and whoever has the cluster
 * key belongs to the cluster.
 *
 *     HKDF-SHA-256(cluster key, salt = cluster name)  "envoy-nlb handoff key"      -> P-256 key of the certificate
 *                                                     "envoy-nlb handoff issuer"   -> Ed25519 key that signs it
 *                                                     "envoy-nlb channel key", "envoy-nlb channel issuer": likewise
 *
 * Peers compare the public key and nothing else; Ed25519 signs because its signatures are the same each time, and a
 * certificate that changed would drain the handoff listener at every restart of the sidecar.
 */
import { createECDH, createHash, createPrivateKey, hkdfSync, type KeyObject } from 'node:crypto';
import { type ClusterKeys, otherKeys } from './key-file.js';
import type { HandoffIdentity } from '../protocol/xds/handoff-tls.js';
import { certificatePem } from './x509.js';

/** PKCS #8 of an Ed25519 key, before its 32 bytes. Source: RFC 8410, section 7. */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
/** SubjectPublicKeyInfo of a P-256 key, before its 65 bytes. Source: RFC 5480, section 2. */
const P256_SPKI = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');

const KEY_BYTES_MIN = 32;

/** Apart, so that what an Envoy is told opens no door to a sidecar. */
type Use = 'handoff' | 'channel';

/**
 * What an Envoy shows the Envoys of other hosts.
 *
 * @param clusterKey    the secret bytes of the cluster key, at least 32
 * @param alsoAccepted  other cluster keys valid for now: while the key is changed, hosts are of both kinds
 * @throws Error for a key too short to be a secret
 */
export function handoffIdentity(
  clusterKey: Uint8Array,
  clusterName: string,
  alsoAccepted: Uint8Array[] = [],
): HandoffIdentity {
  return identity('handoff', clusterKey, clusterName, alsoAccepted);
}

/** What a sidecar shows other sidecars on the host channel; as handoffIdentity(). */
export function channelIdentity(
  clusterKey: Uint8Array,
  clusterName: string,
  alsoAccepted: Uint8Array[] = [],
): HandoffIdentity {
  return identity('channel', clusterKey, clusterName, alsoAccepted);
}

/** As handoffIdentity(), of all valid keys. */
export function handoffIdentityOf(keys: ClusterKeys, clusterName: string): HandoffIdentity {
  return identity('handoff', Buffer.from(keys.sealing.bytes), clusterName, otherKeys(keys));
}

/** What the certificate's owner is known by: base64 of the SHA-256 of its SubjectPublicKeyInfo. */
export function publicKeyHash(publicKeyInfo: Uint8Array): string {
  return createHash('sha256').update(publicKeyInfo).digest('base64');
}

function identity(
  use: Use,
  clusterKey: Uint8Array,
  clusterName: string,
  alsoAccepted: readonly Uint8Array[],
): HandoffIdentity {
  const { key, publicKeyInfo } = keyOf(use, clusterKey, clusterName);
  const issuer = Buffer.concat([ED25519_PKCS8, derive(use, clusterKey, clusterName, 'issuer')]);
  const signer = createPrivateKey({ key: issuer, format: 'der', type: 'pkcs8' });
  const accepted = [publicKeyInfo, ...alsoAccepted.map((other) => keyOf(use, other, clusterName).publicKeyInfo)];
  return {
    certificatePem: certificatePem({ commonName: clusterName, publicKeyInfo, signer }),
    privateKeyPem: key.export({ format: 'pem', type: 'pkcs8' }) as string,
    publicKeyHashesBase64: accepted.map(publicKeyHash),
  };
}

function derive(use: Use, clusterKey: Uint8Array, clusterName: string, purpose: 'key' | 'issuer'): Buffer {
  if (clusterKey.length < KEY_BYTES_MIN) {
    const text = `the cluster key has ${clusterKey.length} bytes, expected at least ${KEY_BYTES_MIN}`;
    throw new Error(`Cannot make the ${use} certificate: ${text}`);
  }
  return Buffer.from(hkdfSync('sha256', clusterKey, clusterName, `envoy-nlb ${use} ${purpose}`, 32));
}

function keyOf(use: Use, clusterKey: Uint8Array, clusterName: string): { key: KeyObject; publicKeyInfo: Buffer } {
  const scalar = derive(use, clusterKey, clusterName, 'key');
  const curve = createECDH('prime256v1');
  // Refused where it is 0 or not below the curve's order: one key in 2^32; a new cluster key is the cure.
  curve.setPrivateKey(scalar);
  const point = curve.getPublicKey();
  const [d, x, y] = [scalar, point.subarray(1, 33), point.subarray(33)].map((part) => part.toString('base64url'));
  const key = createPrivateKey({ key: { kty: 'EC', crv: 'P-256', d: d!, x: x!, y: y! }, format: 'jwk' });
  return { key, publicKeyInfo: Buffer.concat([P256_SPKI, point]) };
}
