/** Text for people: tables, shares, times. No colours: the words themselves say it, in a log as well. */
export { counted } from '../counted.js';

/** Columns as wide as their widest cell, two spaces between; numbers are the caller's to pad. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd();
  return `${[header, ...rows].map(line).join('\n')}\n`;
}

/** `33.4 %`; `-` where there is nothing to divide by. */
export function percent(share: number | null): string {
  return share === null ? '-' : `${(100 * share).toFixed(1)} %`;
}

/** An ISO time without fractions: `2026-11-22 21:04:19Z`. */
export function timeText(iso: string): string {
  return iso.replace('T', ' ').replace(/\.[0-9]+Z$/, 'Z');
}

export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Text broken at words to `width` columns, each line behind `indent`. */
export function wrapped(text: string, indent = '', width = 80): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return `${[...lines, indent + line].join('\n')}\n`;
}
