/**
 * The other end of every variant, as a process of its own: the services, and clients that open a connection, read the
 * banner to its end and go. A service greets and closes, as one does after QUIT; so the waiting ports of closed connections
 * gather where nobody looks for a free port.
 *
 * Started by load-process.ts with fork(); each message is one job.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Job, Outcome, Place } from './load-process.js';

const BANNER = '220 mail.example.org ESMTP\r\n';
/** A connection that is not through by then has failed; the run goes on. */
const PATIENCE_MS = 10_000;

const held: Socket[] = [];
let accepted = 0;
let keepOpen = false;
/** What each connection gets in place of the banner; 0: the banner. */
let bulkBytes = 0;
const BLOCK = Buffer.alloc(1 << 16);

function greet(socket: Socket): void {
  accepted++;
  socket.on('error', () => socket.destroy());
  socket.resume();
  if (bulkBytes > 0) sendBulk(socket, bulkBytes);
  else if (keepOpen) socket.write(BANNER);
  else socket.end(BANNER);
}

/** As much as the other end takes, and then the end. */
function sendBulk(socket: Socket, left: number): void {
  for (let rest = left; rest > 0; rest -= BLOCK.length) {
    if (socket.write(BLOCK)) continue;
    socket.once('drain', () => sendBulk(socket, rest - BLOCK.length));
    return;
  }
  socket.end();
}

async function serve(places: readonly Place[]): Promise<void> {
  for (const place of places) {
    const server: Server = createServer({ noDelay: true }, greet);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: place.host, port: place.port, backlog: 4096 }, resolve);
    });
  }
}

/** One connection from `source`; true where the banner came. */
function visit(place: Place, source: string, hold: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    let length = 0;
    const socket = connect({ host: place.host, port: place.port, localAddress: source });
    const finish = (good: boolean) => {
      socket.setTimeout(0);
      if (good && hold) held.push(socket);
      else socket.destroy();
      resolve(good);
    };
    socket.setTimeout(PATIENCE_MS, () => finish(false));
    socket.on('error', () => finish(false));
    socket.on('data', (bytes) => {
      length += bytes.length;
      if (hold && length === BANNER.length) finish(true);
    });
    socket.on('end', () => finish(length === (bulkBytes || BANNER.length)));
  });
}

async function drive(job: Job): Promise<Outcome> {
  const { places, sources, connections, parallel, hold } = job;
  let started = 0;
  let failed = 0;
  keepOpen = hold;
  bulkBytes = job.bulkBytes ?? 0;
  accepted = 0;
  const startedNs = process.hrtime.bigint();
  const client = async () => {
    while (started < connections) {
      const index = started++;
      if (!(await visit(places[index % places.length]!, sources[index % sources.length]!, hold))) failed++;
    }
  };
  await Promise.all(Array.from({ length: parallel }, client));
  const seconds = Number(process.hrtime.bigint() - startedNs) / 1e9;
  return { seconds, failed, accepted };
}

async function release(): Promise<void> {
  for (const socket of held.splice(0)) socket.destroy();
}

async function setBulk(bytes: number): Promise<void> {
  bulkBytes = bytes;
}

type Message = { serve: Place[] } | { drive: Job } | { release: true } | { bulk: number };

process.on('message', (message: Message) => {
  const answer =
    'serve' in message
      ? serve(message.serve)
      : 'drive' in message
        ? drive(message.drive)
        : 'bulk' in message
          ? setBulk(message.bulk)
          : release();
  answer.then(
    (value) => process.send?.({ value: value ?? null }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
