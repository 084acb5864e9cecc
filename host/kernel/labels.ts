/**
 * How the rules of the handoff name a host while they work on a packet: by an Ethernet address that no card has, in the place
 * of the packet's destination. `02` is locally administered, `6e 6c 62` is "nlb".
 *
 *     02:6e:6c:62:00:03   host number 3
 *     02:6e:6c:62:01:03   a bucket's ranking: first host 1, second host 3
 *
 * So no mark is needed, which would be the machine owner's. Numbers belong to one host's kernel table and mean nothing elsewhere.
 */

/** 1-254 */
export type HostNumber = number;

export const HOST_NUMBER_MAX = 254;
/** In the place of the second host where a ranking has one host only. */
export const NO_NUMBER = 255;

const two = (number: number): string => number.toString(16).padStart(2, '0');

export const hostLabel = (host: HostNumber): string => `02:6e:6c:62:00:${two(host)}`;
export const pairLabel = (first: HostNumber, second: HostNumber): string => `02:6e:6c:62:${two(first)}:${two(second)}`;

/** The number of a host's label; null for any other address. */
export function hostOfLabel(label: string): HostNumber | null {
  const [, number] = /^02:6e:6c:62:00:([0-9a-f]{2})$/.exec(label) ?? [];
  return number === undefined ? null : Number.parseInt(number, 16);
}
