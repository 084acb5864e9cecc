/**
 * The table of port rules that `nlb params` and `nlb display` print. Its columns are as wide as their line of dashes, and
 * releases differ in widths and columns, so both are taken from the table itself.
 *
 *     PortRules (1):
 *           VIP       Start  End  Prot   Mode   Pri Load Affinity
 *     --------------- ----- ----- ---- -------- --- ---- --------
 *     All                25    25 TCP  Multiple      Eql Single
 */
import { affinityOf, type NlbRule, type NlbSource, virtualIpOf } from './source.js';

const DASHES = /^\s*-{2,}( +-{2,}){4,}\s*$/;
/** Of a table whose head is not there. */
const USUAL_NAMES = ['vip', 'start', 'end', 'prot', 'mode', 'pri', 'load', 'affinity'];
/** By what a head says, in lower case and without blanks. */
const MEANINGS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(USUAL_NAMES.map((name) => [name, name])),
  protocol: 'prot',
  priority: 'pri',
  timeout: 'timeout',
};

/** Adds the rules of one host's table. What it says that cannot be read is kept as `unread`. */
export function readRuleTable(lines: readonly string[], host: string, source: NlbSource): void {
  const counted = /^\s*PortRules \((\d+)\)/m.exec(lines.join('\n'))?.[1];
  const dashes = lines.findIndex((line) => DASHES.test(line));
  const rows = dashes < 0 ? [] : rowsOf(lines, dashes, host, source);
  for (const row of rows) source.rules.push(ruleOf(row, host));
  const item = `port rules of host ${host}`;
  if (counted === undefined && dashes < 0) {
    source.unread.push({ item, text: 'are not in its output: those of the other hosts are taken for it' });
  } else if (counted !== undefined && Number(counted) !== rows.length) {
    const next = dashes < 0 ? '' : (lines[dashes + 1 + rows.length] ?? '').trim();
    const at = next === '' ? '' : `; this line could not be read: ${next}`;
    source.unread.push({ item, text: `are ${counted} by its output, and ${rows.length} of them could be read${at}` });
  }
}

type Row = Map<string, string>;

function rowsOf(lines: readonly string[], dashes: number, host: string, source: NlbSource): Row[] {
  const starts = [...lines[dashes]!.matchAll(/-{2,}/g)].map((match) => match.index);
  const head = cellsOf(lines[dashes - 1] ?? '', starts).map((cell) => cell.toLowerCase().replace(/\s/g, ''));
  const names = ['start', 'end', 'mode'].every((name) => head.includes(name)) ? head : USUAL_NAMES;
  const rows: Row[] = [];
  for (const line of lines.slice(dashes + 1)) {
    const cells = cellsOf(line, starts);
    const row: Row = new Map(names.map((name, index) => [MEANINGS[name] ?? name, cells[index] ?? '']));
    if (!isPort(row.get('start')) || !isPort(row.get('end'))) break;
    rows.push(row);
  }
  for (const name of names) {
    const values = new Set(rows.map((row) => row.get(name) ?? '').filter((value) => value !== ''));
    if (MEANINGS[name] !== undefined || values.size === 0) continue;
    const text = `has a column ${name} (${[...values].join(', ')}) that nlb import does not know`;
    source.unread.push({ item: `the table of port rules of host ${host}`, text });
  }
  return rows;
}

function isPort(text: string | undefined): boolean {
  return /^[0-9]{1,5}$/.test(text ?? '') && Number(text) <= 65535;
}

/** A value that is wider than its column (an IPv6 address) moves the rest of its line. */
function cellsOf(line: string, starts: readonly number[]): string[] {
  let moved = 0;
  return starts.map((start, index) => {
    const from = start + moved;
    const next = starts[index + 1];
    if (next === undefined) return line.slice(from).trim();
    while (/\S/.test(line[next + moved - 1] ?? ' ')) moved += 1;
    return line.slice(from, next + moved).trim();
  });
}

function ruleOf(row: Row, host: string): NlbRule {
  const cell = (name: string): string => row.get(name) ?? '';
  const load = cell('load');
  return {
    host,
    virtualIp: virtualIpOf(cell('vip')),
    first: Number(cell('start')),
    last: Number(cell('end')),
    protocol: cell('prot').toLowerCase(),
    mode: cell('mode').toLowerCase(),
    handlingPriority: cell('pri') === '' ? null : Number(cell('pri')),
    loadWeight: /^eql$/i.test(load) ? 'equal' : load === '' ? null : Number(load),
    affinity: affinityOf(cell('affinity')),
    timeoutMinutes: Number(cell('timeout') || 0),
    state: null,
  };
}
