/** `nlb watch`: the cluster live in a terminal, redrawn on every change. */
import type { ClientRequest } from 'node:http';
import type { ClusterStatus } from '../admin/status.js';
import { REMOTE_OPTIONS, SIDECAR_OPTIONS, type Verb } from './args.js';
import { begin as requestTo, type Door, statusOf } from './client.js';
import { displayParts } from './display.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { wrapped } from './output.js';
import type { Screen, Terminal } from './terminal.js';

export const verb: Verb = {
  usage: 'nlb watch [--host NAME|N] [--state-dir DIR]',
  help: `
Shows what nlb display shows, live, problems before tables: redrawn on every
change, at least once a second. q or Ctrl-C ends it and leaves the terminal as
it was. While the sidecar is away it says so and waits for it.

Exit code 0: ended by you. 2: there is no terminal. 3: no sidecar answers.`,
  options: { host: SIDECAR_OPTIONS.host!, ...REMOTE_OPTIONS, 'state-dir': SIDECAR_OPTIONS['state-dir']! },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const { screen } = terminal;
    if (screen == null) {
      throw new CliError(EXIT.usage, 'this is no terminal, expected one; nlb display --json is for programs');
    }
    const door = await findSidecar(call, terminal);
    const first = await statusOf(door);
    await watch(door, first, terminal, screen);
    return EXIT.yes;
  },
};

/** Other host: no events come over the host channel, it is asked. */
const PERIOD_MS = 1000;
const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
/** Cursor to the top left; each line clears its rest, the end the rest of the screen: nothing flickers. */
const HOME = '\x1b[H';
const LINE_END = '\x1b[K\r\n';
const CLEAR_REST = '\x1b[J';

async function watch(door: Door, first: ClusterStatus, terminal: Terminal, screen: Screen): Promise<void> {
  let shown = first;
  let away: string | null = null;
  const draw = (): void => terminal.out(frame(shown, away, screen.size()));
  const feed = follow(door, (status, reason) => {
    shown = status ?? shown;
    away = reason;
    draw();
  });
  terminal.out(ENTER);
  try {
    draw();
    screen.onResize(draw);
    await screen.ended();
  } finally {
    feed.stop();
    screen.close();
    terminal.out(LEAVE);
  }
}

/** What fits: sentences are folded, tables cut at the right, and where the bottom is cut the last line says so. */
export function frame(
  status: ClusterStatus,
  away: string | null,
  { columns, rows }: ReturnType<Screen['size']>,
): string {
  const head = away === null ? 'live; q ends' : `${away}; waiting for it. q ends`;
  const all = `nlb watch on ${status.thisHost}: ${head}\n\n${watchText(status)}`;
  const lines = all.split('\n').flatMap((line) => folded(line, columns));
  const room = Math.max(1, rows - 1);
  const isCut = lines.length > room;
  const shown = lines.slice(0, isCut ? room - 1 : room);
  if (isCut) shown.push(`... and ${lines.length - shown.length} lines more, in a taller terminal or nlb display`);
  return HOME + shown.map((line) => line.slice(0, columns) + LINE_END).join('') + CLEAR_REST;
}

/** What nlb display says, with what somebody has to look at first: the bottom may not fit. */
function watchText(status: ClusterStatus): string {
  const { cluster, hosts, problems, shares, rules, own } = displayParts(status);
  return [cluster, hosts, problems, shares, rules, own].join('\n').trimEnd();
}

/** A row of a table has columns, and is left in one piece. A problem has its time alone before it. */
function folded(line: string, columns: number): string[] {
  const isRow = (line.match(/\S {2,}(?=\S)/g)?.length ?? 0) > 1;
  return isRow || line.length <= columns ? [line] : wrapped(line.trim(), leading(line), columns).trimEnd().split('\n');
}

const leading = (line: string): string => /^ */.exec(line)![0];

interface Feed {
  stop(): void;
}

/** Server-sent events of the sidecar; begun anew a second after they ended. */
function follow(door: Door, tell: (status: ClusterStatus | null, away: string | null) => void): Feed {
  const stopped = new AbortController();
  const { signal } = stopped;
  let timer: NodeJS.Timeout | null = null;
  const again = (reason: string | null): void => {
    if (signal.aborted) return;
    if (reason !== null) tell(null, reason);
    timer = setTimeout(begin, PERIOD_MS);
  };

  function begin(): void {
    if (signal.aborted) return;
    if (door.elsewhere !== null) {
      statusOf(door, { signal }).then(
        (status) => {
          if (!signal.aborted) tell(status, null);
          again(null);
        },
        (error: Error) => again(error.message),
      );
      return;
    }
    requestTo(door, 'GET', '/events', { signal }).then(listen, (error: Error) => again(error.message));
  }

  function listen(sent: ClientRequest): void {
    sent.on('error', () => again('the sidecar does not answer'));
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        const events = (text + part).split('\n\n');
        text = events.pop() ?? '';
        const last = events.findLast((event) => event.includes('data: '));
        if (last !== undefined && !signal.aborted) tell(statusIn(last), null);
      });
      response.on('close', () => again('the sidecar has ended'));
    });
    sent.end();
  }

  begin();
  return {
    stop() {
      if (timer) clearTimeout(timer);
      stopped.abort();
    },
  };
}

function statusIn(event: string): ClusterStatus {
  return JSON.parse(event.slice(event.indexOf('data: ') + 'data: '.length)) as ClusterStatus;
}
