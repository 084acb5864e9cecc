/**
 * A small SMTP client that comes from an address of its own (all of 127/8 is this machine) and behaves like a mail server:
 * what is refused or cut is tried again, first at the next address of the cluster, then after a pause.
 */
import { type Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Message {
  id: string;
  /** Source address, e.g. 127.8.0.17. */
  client: string;
}

export interface Target {
  host: string;
  address: string;
  port: number;
}

/** One try, in milliseconds of performance.now(). The owner was decided between `startedMs` and `greetedMs`. */
export interface Attempt {
  entry: string;
  startedMs: number;
  greetedMs: number | null;
  endedMs: number;
  /** The host whose server greeted; null where no greeting came. */
  servedBy: string | null;
  /** Null: accepted. */
  failure: string | null;
  /** The message was sent whole but its answer never came: it may be kept all the same, and arrive twice. */
  isUnsure: boolean;
}

export interface Delivery {
  message: Message;
  attempts: Attempt[];
  accepted: boolean;
}

/** A silent server is given up after this long; then comes the next address. */
const ANSWER_TIMEOUT_MS = 5000;
const RETRY_PAUSE_MS = 300;

/** Reads replies line by line; a reply ends with the line that has a space after its code. */
class Conversation {
  private text = '';
  private ended: Error | null = null;
  private wake: () => void = () => {};

  constructor(private readonly socket: Socket) {
    const end = (error: Error) => {
      this.ended ??= error;
      this.wake();
    };
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => end(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`)));
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
      this.wake();
    });
    socket.on('error', end);
    socket.on('close', () => end(new Error('connection closed')));
  }

  /** @throws Error where the connection ends first or the reply has another code */
  async expect(code: string): Promise<string> {
    for (;;) {
      const reply = /^(?:\d{3}-[^\n]*\n)*(\d{3})[ \r][^\n]*\n/.exec(this.text);
      if (reply !== null) {
        this.text = this.text.slice(reply[0].length);
        if (reply[1] !== code) throw new Error(`answered ${reply[0].trim()}, expected ${code}`);
        return reply[0].trim();
      }
      if (this.ended !== null) throw this.ended;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  async ask(line: string, code: string): Promise<string> {
    this.socket.write(`${line}\r\n`);
    return this.expect(code);
  }
}

function messageText({ id, client }: Message): string {
  const lines = [
    `Message-ID: <${id}>`,
    `Date: ${new Date().toUTCString()}`,
    'From: client@example.net',
    'To: post@mail.example.org',
    `Subject: from ${client}`,
    '',
    `Sent by ${client}.`,
  ];
  return `${lines.join('\r\n')}\r\n.`;
}

/** One try through one entry host; never throws. */
export async function attempt(message: Message, target: Target): Promise<Attempt> {
  const startedMs = performance.now();
  const result: Attempt = {
    entry: target.host,
    startedMs,
    greetedMs: null,
    endedMs: startedMs,
    servedBy: null,
    failure: null,
    isUnsure: false,
  };
  const socket = connect({ host: target.address, port: target.port, localAddress: message.client });
  const talk = new Conversation(socket);
  try {
    const greeting = await talk.expect('220');
    result.greetedMs = performance.now();
    result.servedBy = greeting.split(' ')[1] ?? null;
    await talk.ask(`EHLO [${message.client}]`, '250');
    await talk.ask('MAIL FROM:<client@example.net>', '250');
    await talk.ask('RCPT TO:<post@mail.example.org>', '250');
    await talk.ask('DATA', '354');
    result.isUnsure = true;
    await talk.ask(messageText(message), '250');
    result.isUnsure = false;
    socket.end('QUIT\r\n');
  } catch (error) {
    result.failure = (error as Error).message;
    socket.destroy();
  }
  result.endedMs = performance.now();
  return result;
}

/** Tries until a server accepts or `deadlineMs` (of performance.now()) is over. */
export async function deliver(message: Message, targets: Target[], deadlineMs: number): Promise<Delivery> {
  const attempts: Attempt[] = [];
  for (let next = 0; ; next += 1) {
    const target = targets[next % targets.length] as Target;
    const tried = await attempt(message, target);
    attempts.push(tried);
    if (tried.failure === null) return { message, attempts, accepted: true };
    if (performance.now() > deadlineMs) return { message, attempts, accepted: false };
    if (next % targets.length === targets.length - 1) await sleep(RETRY_PAUSE_MS);
  }
}
