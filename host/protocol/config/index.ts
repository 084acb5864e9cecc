/**
 * The cluster file: text in, a checked ClusterFile out, or every mistake in it at once. Pure: the caller reads the file.
 *
 * The schema is docs/cluster-file.schema.json; what a schema cannot say (overlaps, duplicates, collisions) is in check-*.
 */
export { type Address, isHostAddress, parseAddress } from './address.js';
export { MAIL_PORTS } from './defaults.js';
export { type Finding, findingLine } from './finding.js';
export { canonicalText, fingerprintOf } from './fingerprint.js';
export { parseClusterFile, type ParseResult } from './parse.js';
export { CLUSTER_FILE_SCHEMA } from './schema.js';
export {
  atPort,
  checkedAddress,
  followsPort,
  parseServiceAddress,
  serviceOf,
  type ServiceTarget,
} from './service-address.js';
