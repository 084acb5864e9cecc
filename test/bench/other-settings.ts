/** What Envoy could be told instead of what is generated: each of these was measured before it was decided. docs/performance.md. */
import type { EnvoyJson } from '../../host/protocol/xds/index.js';

export type ChangeSettings = <Generated extends EnvoyJson | EnvoyJson[]>(generated: Generated) => Generated;

/** Every field of that name, however deep, becomes another value; undefined leaves it out. */
function everywhere(field: string, value: unknown): ChangeSettings {
  return (generated) =>
    JSON.parse(JSON.stringify(generated, (key, old: unknown) => (key === field ? value : old))) as typeof generated;
}

const tls13 = (curve?: string): ChangeSettings =>
  everywhere('tls_params', {
    tls_minimum_protocol_version: 'TLSv1_3',
    tls_maximum_protocol_version: 'TLSv1_3',
    ...(curve === undefined ? {} : { ecdh_curves: [curve] }),
  });

/** Of handoffs; what is generated is TLS 1.2 with sessions that are resumed. */
export const HANDOFF_SETTINGS: Record<string, [what: string, change: ChangeSettings]> = {
  nlb_handoff_tls13: ["nlb_handoff over TLS 1.3 with Envoy's default curves", tls13()],
  nlb_handoff_p256: ['nlb_handoff over TLS 1.3, P-256', tls13('P-256')],
  nlb_handoff_x25519: ['nlb_handoff over TLS 1.3, X25519', tls13('X25519')],
};

export const LOCAL_SETTINGS: Record<string, [what: string, change: ChangeSettings]> = {
  nlb_all_stats: ["nlb_local with all of Envoy's stats in place of the list", everywhere('stats_config', undefined)],
  nlb_big_buffers: [
    "nlb_local with Envoy's own buffer limit",
    everywhere('per_connection_buffer_limit_bytes', undefined),
  ],
};
