/** Addresses and ports of the benchmark, all on loopback; nothing of them is a setting. */
import type { Place } from './load-process.js';

/** The service that every single-host variant leads to. */
export const SERVICE: Place = { host: '127.0.60.1', port: 3625 };
/** The three services behind whoever spreads clients without a cluster of ours. */
export const SPREAD: Place[] = [1, 2, 3].map((host) => ({ host: `127.0.60.${host}`, port: SERVICE.port }));
/** Where the variants that are not ours listen, each at a port of its own. */
export const PROXY_HOST = '127.0.60.10';
/** Our hosts: `PREFIX.1` to `PREFIX.3`, a prefix for each variant. */
export const LOCAL_PREFIX = '127.0.61';
export const HANDOFF_PREFIX = '127.0.62';
export const CLUSTER_PREFIX = '127.0.63';
export const SDK_PREFIX = '127.0.64';
export const BARE_PREFIX = '127.0.65';
export const EMPTY_PREFIX = '127.0.66';
export const HANDOFF_PLAIN_PREFIX = '127.0.67';
export const LOGGED_PREFIX = '127.0.71';
/** Beginnings of prefixes: the variant's number follows. */
export const OTHER_HANDOFFS = '127.0.20';
export const OTHER_LOCALS = '127.0.21';
/** Of the soak, which runs when the others have ended. */
export const SOAK_PREFIX = '127.0.64';

/** Client addresses: 2 networks of 250. */
export const CLIENTS: string[] = [68, 69].flatMap((network) =>
  Array.from({ length: 250 }, (_, i) => `127.0.${network}.${i + 1}`),
);

/** 32 hosts of the sidecar's part, of which one is real. */
export const SIDECAR_PREFIX = '127.0.65';

/** Our hosts while their cluster file changes. */
export const CHANGES_PREFIX = '127.0.72';
