/** A port or a range of ports, as the file writes them: `25` or `1000-1099`. */
export interface PortRange {
  first: number;
  last: number;
}

/** The range, or null where `value` is none: ports are 1-65535 and a range does not run backwards. */
export function parsePortRange(value: string | number): PortRange | null {
  const match = /^([1-9][0-9]{0,4})(?:\s*-\s*([1-9][0-9]{0,4}))?$/.exec(String(value));
  if (match === null) return null;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return last <= 65535 && first <= last ? { first, last } : null;
}

export function portsOf(range: PortRange): number {
  return range.last - range.first + 1;
}

export function rangesMeet(a: PortRange, b: PortRange): boolean {
  return a.first <= b.last && b.first <= a.last;
}

export function covers(range: PortRange, port: number): boolean {
  return range.first <= port && port <= range.last;
}

/** `25`, or `1000-1099`. */
export function rangeText(range: PortRange): string {
  return range.first === range.last ? String(range.first) : `${range.first}-${range.last}`;
}
