/** A port or a range of ports, as the file writes them: `25` or `1000-1099`. */
export interface PortRange {
  first: number;
  last: number;
}

/**
 * The range, or null where `value` is none: ports are 1-65535 and a range does not run backwards. NLB's own ranges begin with
 * 0, which no TCP client can connect to: `0-65535` is 1-65535.
 */
export function parsePortRange(value: string | number): PortRange | null {
  const match = /^(0(?=\s*-)|[1-9][0-9]{0,4})(?:\s*-\s*([1-9][0-9]{0,4}))?$/.exec(String(value));
  if (match === null) return null;
  const first = Math.max(1, Number(match[1]));
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

/** What is left of `ranges` once `others` are taken out of them; ascending, none empty. */
export function without(ranges: readonly PortRange[], others: readonly PortRange[]): PortRange[] {
  const left = others.reduce(
    (rest, other) =>
      rest.flatMap((range) => {
        if (!rangesMeet(range, other)) return [range];
        const below = { first: range.first, last: other.first - 1 };
        const above = { first: other.last + 1, last: range.last };
        return [below, above].filter(({ first, last }) => first <= last);
      }),
    [...ranges],
  );
  return left.sort((a, b) => a.first - b.first);
}

/** The same ports in as few ranges as there can be, ascending: `20-30, 25-40, 41` is `20-41`. */
export function merged(ranges: readonly PortRange[]): PortRange[] {
  const result: PortRange[] = [];
  for (const { first, last } of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = result.at(-1);
    if (before && first <= before.last + 1) before.last = Math.max(before.last, last);
    else result.push({ first, last });
  }
  return result;
}
