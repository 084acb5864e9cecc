/**
 * IP addresses of the cluster file: read strictly, written one way, so that two spellings of one address are the same
 * address. Strict means: no leading zeros (is 010 eight or ten?), no zone, no prefix length.
 */

export interface Address {
  family: 4 | 6;
  /** 4 or 16 bytes, network order. */
  bytes: readonly number[];
  /** IPv4 dotted; IPv6 as RFC 5952 has it: lower case, the longest run of zeros as `::`. */
  text: string;
}

/** The address, or null where `text` is none. An IPv4-mapped IPv6 address is its IPv4 address. */
export function parseAddress(text: string): Address | null {
  const v4 = ipv4Bytes(text);
  if (v4 !== null) return { family: 4, bytes: v4, text: v4.join('.') };
  const groups = ipv6Groups(text);
  if (groups === null) return null;
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  const bytes = groups.flatMap((group) => [group >>> 8, group & 0xff]);
  if (mapped) return { family: 4, bytes: bytes.slice(12), text: bytes.slice(12).join('.') };
  return { family: 6, bytes, text: ipv6Text(groups) };
}

/** True for an address that a host or a service can have: not unspecified, multicast, broadcast or link-local IPv6. */
export function isHostAddress(address: Address): boolean {
  const [first = 0, second = 0] = address.bytes;
  if (address.family === 4) return first > 0 && first < 224;
  const unspecified = address.bytes.every((byte) => byte === 0);
  const linkLocal = first === 0xfe && (second & 0xc0) === 0x80;
  return !unspecified && !linkLocal && first !== 0xff;
}

function ipv4Bytes(text: string): number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  if (!parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)) return null;
  return parts.map(Number);
}

function ipv6Groups(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const front = groupsOf(halves[0] ?? '', halves.length === 1);
  const back = groupsOf(halves[1] ?? '', true);
  if (front === null || back === null) return null;
  if (halves.length === 1) return front.length === 8 ? front : null;
  const zeros = 8 - front.length - back.length;
  return zeros < 1 ? null : [...front, ...new Array<number>(zeros).fill(0), ...back];
}

/** The 16-bit groups of `a:b:c`; the last may be a dotted IPv4 address where `endsAddress`. */
function groupsOf(text: string, endsAddress: boolean): number[] | null {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    const dotted = endsAddress && index === parts.length - 1 ? ipv4Bytes(part) : null;
    if (dotted !== null) groups.push((dotted[0]! << 8) | dotted[1]!, (dotted[2]! << 8) | dotted[3]!);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

function ipv6Text(groups: readonly number[]): string {
  let runStart = -1;
  let runLength = 1; // a single zero group is not shortened (RFC 5952, 4.2.2)
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > runLength) [runStart, runLength] = [start, length];
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (runStart < 0) return hex(groups);
  return `${hex(groups.slice(0, runStart))}::${hex(groups.slice(runStart + runLength))}`;
}
