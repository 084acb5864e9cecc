/** "Did you mean": the known word that is nearest to a written one. */

/** A hint for an unknown key, or null where no known one is near. */
export function keyHint(written: string, known: readonly string[]): string | null {
  const near = nearest(written, known);
  return near === null ? null : `did you mean ${near}?`;
}

/** The known word within two edits (one, for words of up to four letters), or null. */
export function nearest(written: string, known: readonly string[]): string | null {
  const wanted = written.toLowerCase().replaceAll(/[_-]/g, '');
  const editsMax = wanted.length <= 4 ? 1 : 2;
  let best: string | null = null;
  let bestEdits = editsMax + 1;
  for (const word of known) {
    const edits = editsBetween(wanted, word.toLowerCase());
    if (edits < bestEdits) [best, bestEdits] = [word, edits];
  }
  return best;
}

/** Levenshtein distance: letters put in, left out or replaced. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
