/** Bounds and sizes of a view's bytes. host/protocol/view-bytes.ts has the same numbers; a test holds them together. */

/** Hosts of a view, and of a cluster. */
export const HOSTS_MAX: u32 = 32;
/** Port rules of a view. */
export const RULES_MAX: u32 = 32;
/** Bytes of a host's name. */
export const HOST_NAME_MAX: u32 = 32;
/** Bytes of a rule's name. */
export const RULE_NAME_MAX: u32 = 24;
/** A load weight is 0 .. 100; 0 takes no part. */
export const LOAD_WEIGHT_MAX: u32 = 100;

/** Bytes before the first host. */
export const HEADER_SIZE: u32 = 48;
/** Bytes of one host. */
export const HOST_SIZE: u32 = 36;
/** Bytes of one rule. */
export const RULE_SIZE: u32 = 84;
/** Bytes of the largest view: 3,888. */
export const VIEW_SIZE_MAX: u32 = HEADER_SIZE + HOSTS_MAX * HOST_SIZE + RULES_MAX * RULE_SIZE;
