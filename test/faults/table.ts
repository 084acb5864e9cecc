/** The figures as a table in Markdown, as docs/faults.md shows it. */
import type { Figures } from './judge.js';

const COLUMNS: [string, (figures: Figures) => string][] = [
  ['new', (f) => String(f.new_connections)],
  ['failed', (f) => String(f.failed_new)],
  ['longest wait', (f) => `${f.longest_wait_ms} ms`],
  ['lost to dead', (f) => String(f.lost_open_to_dead)],
  ['lost to others', (f) => String(f.lost_open_to_others)],
  ['by outsider', (f) => String(f.served_by_outsider)],
  ['moved', (f) => `${(f.moved_without_cause * 100).toFixed(2)} %`],
  ['one view', (f) => time(f.one_view_ms)],
  ['whole again', (f) => time(f.whole_again_ms)],
];

const time = (ms: number | null) => (ms === null ? 'never' : `${ms} ms`);

export function tableOf(results: Record<string, Figures>): string {
  const header = ['fault', ...COLUMNS.map(([title]) => title)];
  const rows = Object.entries(results).map(([name, figures]) => [name, ...COLUMNS.map(([, cell]) => cell(figures))]);
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(header), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

/** 0.1 % of the clients. */
const MOVED_MAX = 0.001;

/** What must hold whatever is hurt; how long things took is reported and not judged. */
export function isWithinPromise(figures: Figures): boolean {
  const { served_by_outsider, lost_open_to_others, moved_without_cause, one_view_ms, whole_again_ms } = figures;
  const isCounted = served_by_outsider === 0 && lost_open_to_others === 0 && moved_without_cause <= MOVED_MAX;
  return isCounted && one_view_ms !== null && whole_again_ms !== null;
}
