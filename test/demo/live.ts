/** The demo for a person: lines to paste, then a table that is redrawn in place, or a line per change where no terminal is. */
import { readdirSync } from 'node:fs';
import { relative } from 'node:path';
import type { ClusterStatus } from '../../host/admin/status.js';
import type { Hosts } from './hosts.js';
import { type Layout, mailDirectory, pageUrl } from './layout.js';
import { findParts } from './processes.js';
import { askStatus } from './status.js';
import { type Picture, summaryLine, tableLines } from './table.js';

const DRAW_PERIOD_MS = 1000;
/** Lines below the table about parts that ended by themselves; the logs have all. */
const ENDED_SHOWN_MAX = 3;
/** Terminals that do not say how wide they are. */
const WIDTH_DEFAULT = 100;

export function pasteLines(layout: Layout, pid: number): string {
  const { hosts, ports } = layout;
  const [first, , last] = hosts.map((host) => ({ ...host, directory: relative(process.cwd(), host.directory) }));
  const curl =
    `printf 'Subject: hello\\r\\n\\r\\nhello\\r\\n' | curl -sS smtp://${first!.address}:${ports.smtp} ` +
    '--interface 127.9.9.9 --mail-from you@example.net --mail-rcpt post@mail.example.org -T -';
  return `
Three hosts serve SMTP. In another terminal, in this folder:

  send a mail as 127.9.9.9 through each host, and see who takes it
    node build/test/demo/send.js 127.9.9.9
  the same through one host with curl
    ${curl}
  ask who owns that address, and why
    ./nlb explain 127.9.9.9 --port ${ports.smtp} --state-dir ${first!.directory}
  kill a host whole (Envoy, sidecar, SMTP server)
    kill -9 $(cat ${last!.directory}/*.pid)
  start again what is dead${process.stdin.isTTY ? ' (or press Enter here)' : ''}
    kill -USR1 ${pid}

The cluster file: ${relative(process.cwd(), layout.clusterFile)}; each host's mail and logs: ${hosts.map((h) => relative(process.cwd(), h.directory)).join(', ')}
The page of each host: ${hosts.map((host) => pageUrl(host, ports)).join('  ')}
Ctrl-C ends everything.
`;
}

export async function takePicture(layout: Layout): Promise<Picture> {
  const statuses = new Map<string, ClusterStatus>();
  const asked = await Promise.all(layout.hosts.map(async (host) => ({ host, status: await askStatus(host) })));
  for (const { host, status } of asked) if (status !== null) statuses.set(host.name, status);
  const parts = findParts(layout);
  const hosts = layout.hosts.map((host) => ({
    name: host.name,
    address: host.address,
    alive: new Set(parts.filter((part) => part.host === host.name).map((part) => part.kind)),
    mailCount: readdirSync(mailDirectory(host)).filter((name) => name.endsWith('.eml') && !name.startsWith('.')).length,
    pageUrl: pageUrl(host, layout.ports),
  }));
  return { clock: new Date().toLocaleTimeString('en-GB'), hosts, statuses };
}

/** Draws until `isOver()`; SIGUSR1 and Enter start dead parts again. */
export async function runLive(layout: Layout, hosts: Hosts, isOver: () => boolean): Promise<void> {
  const revive = () => {
    for (const host of layout.hosts) hosts.start(host);
  };
  process.on('SIGUSR1', revive);
  if (process.stdin.isTTY) process.stdin.on('data', revive).unref();
  process.stdout.write(`${pasteLines(layout, process.pid)}\n`);
  let drawn = 0;
  let said = '';
  let toldCount = 0;
  while (!isOver()) {
    const picture = await takePicture(layout);
    if (isOver()) return;
    if (process.stdout.isTTY) {
      const width = process.stdout.columns || WIDTH_DEFAULT;
      const ended = hosts.ended.slice(-ENDED_SHOWN_MAX).map((line) => line.slice(0, width));
      const lines = [...tableLines(picture, width), ...ended];
      // Up over what was drawn last, then clear to the end of the screen: rows and widths may have changed.
      process.stdout.write(`${drawn === 0 ? '' : `\u001b[${drawn}A\u001b[J`}${lines.join('\n')}\n`);
      drawn = lines.length;
    } else {
      const news = hosts.ended.slice(toldCount);
      toldCount = hosts.ended.length;
      if (summaryLine(picture) !== said) news.push(summaryLine(picture));
      said = summaryLine(picture);
      for (const line of news) process.stdout.write(`${picture.clock}  ${line}\n`);
    }
    await new Promise((resolve) => setTimeout(resolve, DRAW_PERIOD_MS));
  }
}
