/** Mail as the servers keep it: what a test reads to say who came from where, and arrived how often. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface StoredMail {
  /** Name of the host that keeps it. */
  host: string;
  recipient: string;
  /** The client's address in the newest `Received` line: what the server itself saw. Empty where there is none. */
  client: string;
  /** The server's own number for it. Two mails of one number were taken once and delivered twice by that server. */
  queueId: string;
}

/** All mail in one folder; a folder that is not there yet holds none. */
export function readMail(host: string, directory: string): StoredMail[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).map((name) => parseMail(host, readFileSync(join(directory, name), 'latin1')));
}

export function countMail(directory: string): number {
  return existsSync(directory) ? readdirSync(directory).length : 0;
}

/**
 * Postfix writes `Received: from c.test (unknown [127.7.0.1]) by mail1 (Postfix) with SMTP id 4f1 for <u@example.test>`,
 * exim `Received: from [127.7.0.1] (port=4322 helo=c.test) by mail1 with esmtp (Exim 4.96) id 1xV-06-1z for u@...`.
 */
export function parseMail(host: string, text: string): StoredMail {
  const head = text.replaceAll('\r\n', '\n').split('\n\n', 1)[0] ?? '';
  const lines = head.replace(/\n[ \t]+/g, ' ').split('\n');
  const received = lines.find((line) => line.startsWith('Received:')) ?? '';
  const delivered = lines.find((line) => /^(Delivered-To|Envelope-to):/.test(line)) ?? '';
  return {
    host,
    recipient: delivered.slice(delivered.indexOf(':') + 1).trim(),
    client: /^Received: from [^[]*\[([0-9a-f.:]+)\]/.exec(received)?.[1] ?? '',
    queueId: / id ([\w-]+)/.exec(received)?.[1] ?? '',
  };
}

export interface Tally {
  /** Distinct recipients: each message has one of its own. */
  arrived: number;
  /** Taken more than once, by whichever hosts. */
  takenTwice: number;
  /** Taken once and written twice, by a host that was killed while it wrote. */
  writtenTwice: number;
  /** Mail whose newest Received line names another client than it came from. */
  wrongClient: number;
}

/** @param clientOf  the address that mail to this recipient was sent from */
export function tally(stored: readonly StoredMail[], clientOf: (recipient: string) => string): Tally {
  const arrived = new Set(stored.map(({ recipient }) => recipient)).size;
  const taken = new Set(stored.map(({ recipient, host, queueId }) => `${recipient} ${host} ${queueId}`)).size;
  return {
    arrived,
    takenTwice: taken - arrived,
    writtenTwice: stored.length - taken,
    wrongClient: stored.filter(({ recipient, client }) => client !== clientOf(recipient)).length,
  };
}
