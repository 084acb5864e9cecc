/**
 * What is ours in the kernel carries our name, so that an administrator sees whose it is and `nlb cleanup` finds all of it:
 * tables of nftables are called
 *
 *     envoy_nlb_handoff_mail_example_org      `nft list tables`
 *     └─ ours ─┘└ part ┘└─ cluster name ──┘
 *
 * Two clusters may share a machine, so the name of the cluster is part of it. IPv4 addresses on an interface are labelled
 * `eth0:nlb`. No mark, routing table or rule of `ip rule` is
 * used: marks belong to the machine's owner (docs/decisions/0019).
 */

import type { Mode } from '../protocol/types.js';

export const TABLE_PREFIX = 'envoy_nlb_';

/** The parts that have a table of their own. */
export type TablePart = 'handoff' | 'multicast' | 'address' | 'redirect' | 'refusal';

/** What decides for a mode in the kernel; that of redirected ports is not of any. */
const PARTS: Readonly<Record<Mode, readonly TablePart[]>> = {
  routed: [],
  arp: ['address', 'refusal', 'handoff'],
  multicast: ['multicast'],
};

/** Parts that a host in this mode does not have. */
export function partsOfOthers(mode: Mode): TablePart[] {
  return Object.values(PARTS)
    .flat()
    .filter((part) => !PARTS[mode].includes(part));
}

/** nftables takes names of up to 255 bytes; a longer cluster name is cut, and its end told apart by its sum. */
const CLUSTER_PART_MAX = 80;

/** The name of the table of one part, for a cluster. */
export function tableName(part: TablePart, clusterName: string): string {
  const words = clusterName.toLowerCase().replace(/[^a-z0-9]/g, '_');
  const cluster = words.length > CLUSTER_PART_MAX ? `${words.slice(0, CLUSTER_PART_MAX)}_${sumOf(words)}` : words;
  return `${TABLE_PREFIX}${part}_${cluster}`;
}

/** True for tables that this project made, of whatever cluster. */
export function isOurTable(name: string): boolean {
  return name.startsWith(TABLE_PREFIX);
}

function sumOf(text: string): string {
  let sum = 0;
  for (const letter of text) sum = (sum * 31 + letter.charCodeAt(0)) % 0xffffffff;
  return sum.toString(16);
}

const LABEL = ':nlb';
/** An interface name has at most 15 characters, and a label is one. */
const LABEL_MAX = 15;

/** Null where the interface's name leaves no room for one. */
export function labelOn(device: string): string | null {
  const label = device + LABEL;
  return label.length > LABEL_MAX ? null : label;
}

/** @param name  under which an address is listed */
export function isOurLabel(name: string): boolean {
  return name.endsWith(LABEL);
}
