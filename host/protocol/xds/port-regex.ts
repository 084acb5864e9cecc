/** A range of ports as a regular expression, because Envoy's matchers know a port as its text only. */
import type { PortRange } from '../config/ports.js';

/** RE2, whole text: `1024-65535` is `102[4-9]|10[3-9][0-9]|1[1-9][0-9][0-9]|...`. */
export function portRegex({ first, last }: PortRange): string {
  const parts: string[] = [];
  for (let from = first; from <= last; ) {
    const to = blockEnd(from, last);
    parts.push(blockText(String(from), String(to)));
    from = to + 1;
  }
  return parts.join('|');
}

/** The largest block from `from` on whose numbers share all but some last digits, of which all but the first are free. */
function blockEnd(from: number, last: number): number {
  let end = from;
  for (let size = 1; size <= 10_000 && from % size === 0; size *= 10) {
    const digit = Math.floor(from / size) % 10;
    // The leading digit must not become 0, nor the number longer.
    const steps = Math.min(9 - digit, Math.floor((last - from + 1) / size) - 1);
    if (steps < 0) break;
    end = from + (steps + 1) * size - 1;
  }
  return end;
}

function blockText(from: string, to: string): string {
  return [...from].map((digit, i) => (digit === to[i] ? digit : `[${digit}-${to[i]}]`)).join('');
}
