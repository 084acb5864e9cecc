/**
 * The cluster file and which host this is, turned into Envoy's configuration. Pure: the same file gives the same bytes.
 *
 *     bootstrap.json   bootstrap()        read once, at Envoy's start
 *     lds.json         listeners()        changes only when ports, addresses or hosts of the file do
 *     cds.json         envoyClusters()    changes only when hosts, services or patiences of the file do
 *     ecds.json        filterConfig()     changes with every view, weight and state
 *     handoff-*.json   secretsOf()        change with the cluster key
 *
 * Each but the first is written as discoveryResponse(resources, versionInfo), beside and then renamed, in the order
 * handoff-*, cds, lds, ecds (what is named must exist before it is named). They hold the private key of the handoff: mode 0600.
 *
 * `secrets` are the paths of the two handoff files; without them hosts hand off over plain TCP, which loses new connections to
 * an owner that was stopped (docs/decisions/0004). They must be given, or not, on all hosts alike.
 */
export { bootstrap, type BootstrapLimits } from './bootstrap.js';
export { envoyClusters } from './clusters.js';
export { gatePath, hasGate } from './gate.js';
export { filterConfig } from './filter-config.js';
export { type HandoffIdentity, type HandoffSecrets, SECRET_NAMES, type SecretKind, secretsOf } from './handoff-tls.js';
export { listeners } from './listeners.js';
export * from './names.js';
export { envoyPaths, type EnvoyPaths } from './paths.js';
export { patienceOf, type Patience } from './patience.js';
export type { EnvoyJson } from './sockets.js';
export { type Redirect, redirectable, redirects } from './redirects.js';
export { isRedirected } from './rules.js';
export { STAT, STATS_KEPT } from './stats.js';
import type { EnvoyJson } from './sockets.js';

/** A file for LDS, CDS or ECDS: what Envoy shows as `version_text` once it took it. */
export function discoveryResponse(resources: readonly EnvoyJson[], versionInfo: string): EnvoyJson {
  return { version_info: versionInfo, resources };
}
