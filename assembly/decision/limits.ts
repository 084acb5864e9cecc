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
/** Bytes of one seat. */
export const SEAT_SIZE: u32 = 36;
/** Seats of a view, all rules together: each host in each rule. */
export const SEATS_MAX: u32 = RULES_MAX * HOSTS_MAX;
/** Kept clients of a view, all rules together. */
export const KEPT_MAX: u32 = 65536;
/** Bytes of the kept clients: a count for each rule, then hash (4) and host (1) of each client. */
export const KEPT_SIZE_MAX: u32 = RULES_MAX * 4 + KEPT_MAX * 5;
/** Bytes of the largest view: 368,560. */
export const VIEW_SIZE_MAX: u32 =
  HEADER_SIZE + HOSTS_MAX * HOST_SIZE + RULES_MAX * RULE_SIZE + SEATS_MAX * SEAT_SIZE + KEPT_SIZE_MAX;
