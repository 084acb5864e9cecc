/**
 * Mutual TLS on handoffs. Its first purpose is the answer: a connection to a stopped Envoy is accepted by that machine's
 * kernel, and over plain TCP the client would be lost with it. A TLS connection counts only once the owner's Envoy itself
 * has answered, so until then the entry host can still turn to the fallback. That nobody without the cluster key can hand
 * off, or read what is handed off, comes with it.
 */
import type { EnvoyPaths } from './paths.js';
import { type EnvoyJson, pathConfig, PLAIN_MATCH, proxyProtocolSocket, RAW_BUFFER, typed } from './sockets.js';

/** Made by handoffIdentity() from the cluster key; the same on every host. */
export interface HandoffIdentity {
  certificatePem: string;
  privateKeyPem: string;
  /**
   * Base64 of the SHA-256 of a certificate's SubjectPublicKeyInfo: the one thing another host is known by. The own one, and
   * while the cluster key is being changed also that of the other key.
   */
  publicKeyHashesBase64: string[];
}

/**
 * The files Envoy reads its certificate, and whom it accepts, from. Listeners and clusters name the files alone: another
 * certificate changes neither, so that no listener drains and no connection ends when the cluster key is changed.
 */
export type HandoffSecrets = Pick<EnvoyPaths, 'certificate' | 'accepted'>;
export type SecretKind = keyof HandoffSecrets;

export const SECRET_NAMES: Readonly<Record<SecretKind, string>> = {
  certificate: 'nlb_handoff_certificate',
  accepted: 'nlb_handoff_accepted',
};

const TLS = 'envoy.extensions.transport_sockets.tls.v3';

/** What stands in the two files. */
export function secretsOf(identity: HandoffIdentity): Record<SecretKind, EnvoyJson> {
  const certificate = {
    certificate_chain: { inline_string: identity.certificatePem },
    private_key: { inline_string: identity.privateKeyPem },
  };
  const accepted = { verify_certificate_spki: identity.publicKeyHashesBase64 };
  return {
    certificate: typed(`${TLS}.Secret`, { name: SECRET_NAMES.certificate, tls_certificate: certificate }),
    accepted: typed(`${TLS}.Secret`, { name: SECRET_NAMES.accepted, validation_context: accepted }),
  };
}

function commonContext(secrets: HandoffSecrets): EnvoyJson {
  return {
    // 1.2: a resumed handshake has no public-key operation at all; 1.3 has one on each side, four times the CPU.
    tls_params: {
      tls_minimum_protocol_version: 'TLSv1_2',
      tls_maximum_protocol_version: 'TLSv1_2',
      cipher_suites: ['ECDHE-ECDSA-AES128-GCM-SHA256'],
    },
    tls_certificate_sds_secret_configs: [secretConfig('certificate', secrets)],
    validation_context_sds_secret_config: secretConfig('accepted', secrets),
  };
}

function secretConfig(kind: SecretKind, secrets: HandoffSecrets): EnvoyJson {
  return { name: SECRET_NAMES[kind], sds_config: pathConfig(secrets[kind]) };
}

/** For the chains that other hosts reach. */
export function ownerSocket(secrets: HandoffSecrets): EnvoyJson {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: typed(`${TLS}.DownstreamTlsContext`, {
      require_client_certificate: true,
      common_tls_context: commonContext(secrets),
    }),
  };
}

/** For handoff clusters: TLS to the owner; plain for checks and to this host's own listener, where nobody listens in. */
export function entrySockets(secrets: HandoffSecrets | null): EnvoyJson {
  if (secrets === null) return { transport_socket: proxyProtocolSocket('v2', RAW_BUFFER) };
  const tls = {
    name: 'envoy.transport_sockets.tls',
    typed_config: typed(`${TLS}.UpstreamTlsContext`, {
      common_tls_context: commonContext(secrets),
      // One is enough: a session of TLS 1.2 may be resumed by any number of connections at a time.
      max_session_keys: 1,
    }),
  };
  return {
    transport_socket: proxyProtocolSocket('v2', tls),
    transport_socket_matches: [
      { name: 'plain', match: PLAIN_MATCH, transport_socket: proxyProtocolSocket('v2', RAW_BUFFER) },
    ],
  };
}

export const PLAIN_CHECK: EnvoyJson = { transport_socket_match_criteria: PLAIN_MATCH };
export const PLAIN_ENDPOINT: EnvoyJson = {
  metadata: { filter_metadata: { 'envoy.transport_socket_match': PLAIN_MATCH } },
};
