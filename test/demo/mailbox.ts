/**
 * How a host of the demo keeps mail: one file a message, on disk before the message is acknowledged, with what the server
 * saw of the client on top. The check reads these files and nothing else to say what arrived.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';

export interface StoredMail {
  /** Name of the host that keeps it, as its own server wrote it. */
  host: string;
  /** The client address the server saw, from the PROXY header. */
  client: string;
  /** Empty where the client sent none. */
  messageId: string;
  file: string;
}

const HOST_HEADER = 'X-Demo-Host';
const CLIENT_HEADER = 'X-Demo-Client';
let storedCount = 0;

/** Resolves once the mail would outlive a loss of power: file and directory are synced. */
export async function storeMail(directory: string, host: string, client: string, message: Buffer): Promise<string> {
  mkdirSync(directory, { recursive: true });
  storedCount += 1;
  const name = `${Date.now()}.${process.pid}.${storedCount}.eml`;
  const beside = join(directory, `.${name}`);
  const file = await open(beside, 'wx', 0o600);
  try {
    await file.write(`${HOST_HEADER}: ${host}\r\n${CLIENT_HEADER}: ${client}\r\n`);
    await file.write(message);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, join(directory, name));
  const folder = await open(directory, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return join(directory, name);
}

/** All mail of one host; a file that is still being written does not count. Sorted by arrival. */
export function readMailbox(directory: string): StoredMail[] {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names.sort().map((name) => parseMail(join(directory, name), readFileSync(join(directory, name), 'utf8')));
}

export function parseMail(file: string, text: string): StoredMail {
  const head = text.split('\r\n\r\n', 1)[0] ?? '';
  const header = (name: string): string => {
    const line = head.split('\r\n').find((l) => l.toLowerCase().startsWith(`${name.toLowerCase()}:`));
    return line?.slice(name.length + 1).trim() ?? '';
  };
  return { file, host: header(HOST_HEADER), client: header(CLIENT_HEADER), messageId: header('Message-ID') };
}
