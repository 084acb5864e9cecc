/** The live table of the demo as text, from what was found out; and the one line that stands for it where no terminal is. */
import type { ClusterStatus } from '../../host/admin/status.js';
import type { SeenState } from '../../host/protocol/events.js';
import type { PartKind } from './processes.js';

export interface HostPicture {
  name: string;
  address: string;
  alive: ReadonlySet<PartKind>;
  mailCount: number;
  pageUrl: string;
}

export interface Picture {
  /** `21:04:05` */
  clock: string;
  hosts: HostPicture[];
  /** By the host that was asked; hosts without an answer are missing. */
  statuses: ReadonlyMap<string, ClusterStatus>;
}

const STATE_WORDS: Record<SeenState, string> = {
  converged: '✔ converged',
  converging: '↻ converging',
  draining: '⇣ draining',
  suspended: 'suspended',
  stopped: '■ stopped',
  sidecarSilent: '… sidecar silent',
  lost: '✖ lost',
  outside: '⚠ outside',
  notSeen: '○ not seen',
  forgotten: '○ forgotten',
};

const PART_WORDS: [PartKind, string][] = [
  ['envoy', 'Envoy'],
  ['sidecar', 'sidecar'],
  ['smtp', 'SMTP server'],
];

interface HostFigures {
  state: string;
  expected: number;
  /** Connections that any entry host sent to this one. */
  connectionCount: number;
}

function figuresOf(name: string, { statuses }: Picture): HostFigures {
  const [first] = statuses.values();
  const seen = first?.hosts.find((host) => host.name === name);
  const part = first?.rules[0]?.hosts.find((host) => host.host === name);
  let connectionCount = 0;
  for (const status of statuses.values()) {
    connectionCount += status.rules[0]?.hosts.find((host) => host.host === name)?.connectionCount ?? 0;
  }
  const state = seen === undefined ? '? no answer' : STATE_WORDS[seen.state];
  return { state, expected: part?.expectedShare ?? 0, connectionCount };
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

function headline({ clock, statuses }: Picture): string {
  const [entry] = statuses;
  if (entry === undefined) return `${clock}  no sidecar answers`;
  const [name, status] = entry;
  const view = status.view === null ? 'no view yet' : `view ${status.view.number} (${status.view.cause})`;
  return `${clock}  ${status.clusterName}: ${status.state}, ${view}; as ${name} sees it`;
}

/** Lines of at most `width` characters. */
export function tableLines(picture: Picture, width: number): string[] {
  const figures = picture.hosts.map((host) => figuresOf(host.name, picture));
  const total = figures.reduce((sum, f) => sum + f.connectionCount, 0);
  const rows = picture.hosts.map((host, index) => {
    const { state, expected, connectionCount } = figures[index] as HostFigures;
    const measured = total === 0 ? '-' : percent(connectionCount / total);
    const dead = PART_WORDS.filter(([kind]) => !host.alive.has(kind)).map(([, word]) => word);
    const parts = dead.length === 0 ? 'all run' : `no ${dead.join(', ')}`;
    return [host.name, host.address, state, percent(expected), measured, String(host.mailCount), parts];
  });
  const header = ['HOST', 'ADDRESS', 'STATE', 'EXPECTED', 'MEASURED', 'MAIL', 'PROCESSES'];
  const right = new Set(['EXPECTED', 'MEASURED', 'MAIL']);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => (right.has(header[i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  const lines = [headline(picture), '', line(header), ...rows.map(line)];
  return lines.map((text) => text.slice(0, width));
}

/** `view 3 converged: mail1 converged 33.4 %, mail2 lost 0.0 %`; without the time, so that a change shows by comparing. */
export function summaryLine(picture: Picture): string {
  const [status] = picture.statuses.values();
  const hosts = picture.hosts.map((host) => {
    const { state, expected } = figuresOf(host.name, picture);
    return `${host.name} ${state.slice(2)} ${percent(expected)}`;
  });
  const view = status?.view ? `view ${status.view.number} ${status.state}` : 'no view';
  return `${view}: ${hosts.join(', ')}`;
}
