/** A server that cannot take a connection says why and goes on; without a listener Node.js would end the whole sidecar for it. */
import type { Server } from 'node:net';
import { systemCode } from './edge-error.js';
import type { Log } from './log.js';

/** @param where  `the page`; to be called once it listens, because its errors of before are its opener's */
export function sayAcceptErrors(server: Server, where: string, log: Pick<Log, 'repeating'>): void {
  server.on('error', (error) => {
    const text = `Cannot take a connection at ${where}: ${systemCode(error)}`;
    log.repeating('error', `accept at ${where}`, text);
  });
}
