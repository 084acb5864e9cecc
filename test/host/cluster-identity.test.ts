import { createHash, createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { channelIdentity, handoffIdentity } from '../../host/edge/cluster-identity.js';

const [KEY, OTHER] = [Buffer.alloc(32, 7), Buffer.alloc(32, 8)];
const NAME = 'mail.example.org';

describe('handoffIdentity()', () => {
  it('makes the same bytes each time: a certificate that changed would drain the handoff listener', () => {
    expect(handoffIdentity(KEY, NAME)).toEqual(handoffIdentity(KEY, NAME));
  });

  it('makes a certificate of the private key, known by the hash of its public key', () => {
    const { certificatePem, privateKeyPem, publicKeyHashesBase64 } = handoffIdentity(KEY, NAME);
    const certificate = new X509Certificate(certificatePem);
    expect(certificate.subject).toBe(`CN=${NAME}`);
    expect(certificate.checkPrivateKey(createPrivateKey(privateKeyPem))).toBe(true);
    const publicKeyInfo = createPublicKey(privateKeyPem).export({ format: 'der', type: 'spki' });
    expect(publicKeyHashesBase64).toEqual([createHash('sha256').update(publicKeyInfo).digest('base64')]);
  });

  it('is another one for another key, and for another cluster with the same key', () => {
    const certificates = [
      handoffIdentity(KEY, NAME),
      handoffIdentity(OTHER, NAME),
      handoffIdentity(KEY, 'web.example.org'),
    ];
    expect(new Set(certificates.map((identity) => identity.publicKeyHashesBase64[0])).size).toBe(3);
  });

  it('accepts hosts of a second valid key', () => {
    const [own] = handoffIdentity(KEY, NAME).publicKeyHashesBase64;
    const [other] = handoffIdentity(OTHER, NAME).publicKeyHashesBase64;
    expect(handoffIdentity(KEY, NAME, [OTHER]).publicKeyHashesBase64).toEqual([own, other]);
  });

  it('is another one for the host channel: what an Envoy is told opens no door to a sidecar', () => {
    const handoff = handoffIdentity(KEY, NAME);
    const channel = channelIdentity(KEY, NAME);
    expect(channel).toEqual(channelIdentity(KEY, NAME));
    expect(channel.publicKeyHashesBase64).not.toEqual(handoff.publicKeyHashesBase64);
  });

  it('holds a cluster name of any length', () => {
    const name = `${'a'.repeat(60)}.${'b'.repeat(60)}.example.org`;
    expect(new X509Certificate(handoffIdentity(KEY, name).certificatePem).subject).toContain('CN=aaaa');
  });

  it('refuses a key too short to be a secret', () => {
    expect(() => handoffIdentity(Buffer.alloc(16), NAME)).toThrow(
      'Cannot make the handoff certificate: the cluster key has 16 bytes, expected at least 32',
    );
  });
});
