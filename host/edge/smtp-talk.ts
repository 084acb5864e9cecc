/** One side of an SMTP session, as `nlb doctor` leads it: a command, its reply, what is offered, and whether it relays. */
import type { Duplex } from 'node:stream';
import type { Relaying } from '../doctor/facts.js';
import { systemCode } from './edge-error.js';

/** BOUNDED: bytes of one reply. */
const REPLY_BYTES_MAX = 16_384;
/** A reply, or several lines of one: `250-SIZE 52428800`, `250 HELP`. */
const REPLY = /^(?:[0-9]{3}-[^\n]*\n)*[0-9]{3}(?:[ \r][^\n]*)?\n/;
/** A whole line that is none: whoever says it speaks no SMTP, and is not waited for. */
const NO_REPLY = /^(?![0-9]{3}[ \r\n-])[^\n]*\n/;

/** A socket with an idle time, plain or TLS. */
type Talkative = Duplex & { setTimeout(timeoutMs: number, callback?: () => void): unknown };

export class SmtpTalk {
  private text = '';
  private wake: (() => void) | null = null;
  private ended: string | null = null;
  private readonly onData = (bytes: Buffer): void => {
    if (this.text.length < REPLY_BYTES_MAX) this.text += bytes.toString('latin1');
    this.wake?.();
  };

  constructor(
    private readonly socket: Talkative,
    timeoutMs: number,
  ) {
    socket.on('data', this.onData);
    socket.on('error', (error) => this.end(systemCode(error)));
    socket.on('close', () => this.end('closed the connection'));
    socket.setTimeout(timeoutMs, () => this.end(`said nothing within ${timeoutMs} ms`));
  }

  private end(reason: string): void {
    this.ended ??= reason;
    this.wake?.();
  }

  /** Lines of the next reply. @throws Error where it has another code */
  async expect(code: string): Promise<string[]> {
    const lines = await this.next();
    if (!lines.at(-1)!.startsWith(code)) throw new Error(`said "${lines.at(-1)}", expected ${code}`);
    return lines;
  }

  say(command: string, code: string): Promise<string[]> {
    this.socket.write(`${command}\r\n`);
    return this.expect(code);
  }

  /** EHLO keywords with what stands behind them; mechanisms of AUTH in one order, because theirs means nothing. */
  async offers(): Promise<Record<string, string>> {
    const lines = await this.say('EHLO doctor.invalid', '250');
    // The first line is the server's own name.
    const offers = lines.slice(1).map((line): [string, string] => {
      const [keyword = '', ...rest] = line.slice(4).trim().split(/ +/);
      return [keyword.toUpperCase(), (keyword.toUpperCase() === 'AUTH' ? rest.sort() : rest).join(' ')];
    });
    return Object.fromEntries(offers);
  }

  /**
   * Does it take mail from a stranger for a stranger? RCPT TO, never DATA; what was begun is forgotten by `startTls` or `quit`.
   *
   * @param mayEncrypt  STARTTLS is offered and was not said: 530 may ask for it (RFC 3207), else for a login (RFC 4954)
   */
  async relays(mayEncrypt: boolean): Promise<Relaying> {
    for (const command of ['MAIL FROM:<doctor@example.net>', 'RCPT TO:<doctor@example.com>']) {
      this.socket.write(`${command}\r\n`);
      const reply = (await this.next()).at(-1)!;
      if (reply.startsWith('25')) continue;
      const isRefusal = reply.startsWith('530') ? !mayEncrypt : reply.startsWith('5') && command.startsWith('RCPT');
      if (isRefusal) return { relays: false, relayUnknown: null };
      // 4xx is "later", as greylisting says it; a refused sender says nothing of other senders.
      return { relays: null, relayUnknown: `to ${command} it said "${reply.slice(0, 200)}"` };
    }
    return { relays: true, relayUnknown: null };
  }

  /** From then on the socket is free for TLS. */
  async startTls(): Promise<void> {
    await this.say('RSET', '250');
    await this.say('STARTTLS', '220');
    this.socket.off('data', this.onData);
    this.socket.setTimeout(0);
  }

  quit(): void {
    this.socket.end('QUIT\r\n');
  }

  private async next(): Promise<string[]> {
    for (;;) {
      const match = REPLY.exec(this.text);
      if (match !== null) {
        this.text = this.text.slice(match[0].length);
        return match[0].trimEnd().split(/\r?\n/);
      }
      const [line] = NO_REPLY.exec(this.text) ?? [];
      if (line !== undefined) throw new Error(`said "${line.trimEnd().slice(0, 200)}", expected a reply of SMTP`);
      if (this.ended !== null) throw new Error(this.ended);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}
