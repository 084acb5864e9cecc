/**
 * Two small programs for `npm run takeover`, each in a namespace of its own.
 *
 *     serve            a service that answers whoever connects, behind Envoy
 *     ask TO FROM      opens a connection every 10 ms and prints when it was opened and answered, in ms of CLOCK_MONOTONIC
 */
import { connect, createServer } from 'node:net';

const EVERY_MS = 10;
/** BOUNDED: connections that wait for an answer. */
const WAITING_MAX = 500;
const PATIENCE_MS = 5000;

const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;
const [, , what, to = '', from = ''] = process.argv;
let waiting = 0;

function ask(): void {
  if (waiting >= WAITING_MAX) return;
  waiting += 1;
  const openedMs = nowMs();
  const socket = connect({ host: to, localAddress: from, port: 25 });
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  socket.once('data', () => {
    process.stdout.write(`${openedMs} ${nowMs()}\n`);
    socket.destroy();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.syscall === 'bind') throw error;
  });
  socket.on('close', () => {
    waiting -= 1;
  });
}

if (what === 'serve') {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end('220 here\r\n');
  });
  server.listen(2525, '127.0.0.1');
} else {
  setInterval(ask, EVERY_MS);
}
