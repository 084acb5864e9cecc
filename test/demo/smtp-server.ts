/**
 * The SMTP server of one host of the demo, a process of its own: takes any mail, behind a PROXY v1 header, and keeps it.
 *
 *     node smtp-server.js NAME ADDRESS PORT HOST_DIRECTORY
 *
 * Its greeting names the host, so that a client sees who took its mail. smtp-server reads version 1 headers only.
 */
import { join } from 'node:path';
import { type SMTPServerDataStream, SMTPServer } from 'smtp-server';
import { storeMail } from './mailbox.js';

const [name, address, port, directory] = process.argv.slice(2);
if (name === undefined || address === undefined || port === undefined || directory === undefined) {
  process.stderr.write('usage: smtp-server.js NAME ADDRESS PORT HOST_DIRECTORY\n');
  process.exit(64);
}
const mail = join(directory, 'mail');

/** The demo's messages are a few lines; a client that sends more is told so. */
const MESSAGE_BYTES_MAX = 10 * 1024 * 1024;

async function collect(stream: SMTPServerDataStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= MESSAGE_BYTES_MAX) chunks.push(chunk);
  }
  if (length > MESSAGE_BYTES_MAX)
    throw new Error(`message has ${length} bytes, at most ${MESSAGE_BYTES_MAX} are taken`);
  return Buffer.concat(chunks);
}

const server = new SMTPServer({
  name,
  banner: 'envoy-nlb demo',
  useProxy: true,
  disabledCommands: ['AUTH', 'STARTTLS'],
  disableReverseLookup: true,
  size: MESSAGE_BYTES_MAX,
  onData(stream, session, done) {
    collect(stream)
      .then((message) => storeMail(mail, name, session.remoteAddress, message))
      .then((file) => {
        process.stdout.write(`${new Date().toISOString()} mail from client ${session.remoteAddress} kept in ${file}\n`);
        done(null, `${name} keeps it`);
      })
      .catch((error: Error) => done(error));
  },
});

// A client that goes away in the middle is everyday life of a mail server, not a reason to end.
server.on('error', (error: NodeJS.ErrnoException) => {
  process.stderr.write(`${new Date().toISOString()} ${error.message}\n`);
  if (error.syscall === 'listen') process.exit(1);
});
server.listen(Number(port), address, () => {
  process.stdout.write(`${new Date().toISOString()} SMTP server of ${name} listens on ${address}:${port}\n`);
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
