/**
 * The clients, as a process inside the client's namespace: `node load-process.js SETTINGS_AS_JSON`, told over the channel
 * to its parent which entry hosts it may use. It judges nothing; it writes down what each connection met.
 */
import { connect } from 'node:net';
import type { Attempt, LoadAnswer, LoadOrder, LoadSettings, Session } from './records.js';

const GREETING_LIMIT_MS = 5000;
const ECHO_PERIOD_MS = 250;

const settings = JSON.parse(process.argv[2] ?? '{}') as LoadSettings;
const attempts: Attempt[] = [];
const sessions: Session[] = [];
let entries = Object.keys(settings.entries);
let openedCount = 0;
let pendingCount = 0;

const say = (answer: LoadAnswer) => process.send?.(answer);

/** `220 n2 client=10.78.0.7:40312 to=10.77.0.1:25`: the host, or why this is not the greeting that was due. */
function readGreeting(line: string, client: string): { host: string | null; failure: string | null } {
  const [, host, seen] = /^220 (\S+) client=([^:\s]+):/.exec(line) ?? [];
  if (host === undefined) return { host: null, failure: `greeted with ${line.slice(0, 40)}` };
  return seen === client ? { host, failure: null } : { host: null, failure: `greeted as ${seen}` };
}

function greet(client: string, entry: string) {
  const startedMs = Date.now();
  pendingCount++;
  const socket = connect({ host: settings.entries[entry] ?? '', port: settings.port, localAddress: client });
  return new Promise<{ attempt: Attempt; socket: typeof socket }>((resolve) => {
    let text = '';
    let isOver = false;
    const over = (host: string | null, failure: string | null) => {
      if (isOver) return;
      isOver = true;
      pendingCount--;
      clearTimeout(limit);
      resolve({ attempt: { client, entry, startedMs, endedMs: Date.now(), host, failure }, socket });
    };
    const limit = setTimeout(() => over(null, `no greeting within ${GREETING_LIMIT_MS} ms`), GREETING_LIMIT_MS);
    socket.on('error', (error: NodeJS.ErrnoException) => over(null, error.code ?? error.message));
    socket.on('close', () => over(null, 'closed'));
    socket.on('data', (chunk) => {
      if (isOver) return;
      text += chunk.toString('latin1');
      if (!text.includes('\r\n')) return;
      const { host, failure } = readGreeting(text.split('\r\n')[0] ?? '', client);
      over(host, failure);
    });
  });
}

/** Takes clients and entry hosts in turns that differ by one, so that each client comes through each entry host. */
function next(): { client: string; entry: string } {
  const turn = openedCount++;
  const { length } = settings.clients;
  const entry = entries[(turn + Math.floor(turn / length)) % entries.length] ?? '';
  return { client: settings.clients[turn % length] ?? '', entry };
}

async function attempt(): Promise<void> {
  if (entries.length === 0) return;
  const { client, entry } = next();
  const { attempt, socket } = await greet(client, entry);
  attempts.push(attempt);
  socket.destroy();
}

async function hold(): Promise<void> {
  const { client, entry } = next();
  const { attempt, socket } = await greet(client, entry);
  if (attempt.host === null) throw new Error(`a session through ${entry} was not begun: ${attempt.failure}`);
  const session: Session = { client, entry, host: attempt.host, lostMs: null };
  sessions.push(session);
  const echo = setInterval(() => socket.write('noop\r\n'), ECHO_PERIOD_MS);
  socket.on('end', () => socket.destroy());
  socket.on('close', () => {
    clearInterval(echo);
    session.lostMs = Date.now();
  });
}

/** Ends when the last attempt has met its end, with everything that was met. */
function end(): void {
  clearInterval(pace);
  const wait = setInterval(() => {
    if (pendingCount > 0) return;
    clearInterval(wait);
    process.send?.({ kind: 'done', attempts, sessions } satisfies LoadAnswer, () => process.exit(0));
  }, 20);
}

process.on('message', (order: LoadOrder) => {
  if (order.kind === 'end') end();
  else entries = order.names;
});
process.on('disconnect', () => process.exit(1));
for (let count = 0; count < settings.sessionCount; count++) await hold();
const pace = setInterval(() => void attempt(), 1000 / settings.ratePerS);
say({ kind: 'ready' });
