/**
 * A headless Chromium, spoken to in its own protocol (CDP) over a pipe: file descriptors 3 and 4, one JSON text per
 * message, each ended by a NUL byte (`--remote-debugging-pipe`). Debian's package `chromium` is all it needs.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { waitFor } from './harness/wait.js';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** One answer of the browser; more than enough, and a hung browser fails the test instead of the suite's time. */
const ANSWER_TIMEOUT_MS = 60_000;

type Json = Record<string, unknown>;

export function findChromium(): string | null {
  const named = process.env.CHROMIUM_BIN;
  if (named !== undefined) return named;
  return CANDIDATES.find((path) => existsSync(path)) ?? null;
}

export class Chromium {
  private nextId = 1;
  private readonly waiting = new Map<number, (message: Json) => void>();
  private rest = '';
  /** What the page wrote to its console as an error, and its uncaught exceptions. A test expects none. */
  readonly complaints: string[] = [];
  private session = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly home: string,
    private readonly toBrowser: Writable,
    fromBrowser: Readable,
  ) {
    fromBrowser.setEncoding('utf8').on('data', (chunk: string) => this.take(chunk));
  }

  /** Starts the browser with one empty page of the given size. */
  static async start(binary: string, further: readonly string[] = []): Promise<Chromium> {
    const home = mkdtempSync(join(tmpdir(), 'nlb-chromium-'));
    const flags = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--hide-scrollbars',
      ...further,
    ];
    const child = spawn(binary, [...flags, `--user-data-dir=${home}`, '--remote-debugging-pipe', 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      // A process group of its own, so that all its processes can be ended: those that are left go on writing its profile.
      detached: true,
    });
    const browser = new Chromium(child, home, child.stdio[3] as Writable, child.stdio[4] as Readable);
    const targetId = await waitFor('the empty page', () => browser.firstPage());
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
    browser.session = sessionId as string;
    for (const domain of ['Page', 'Runtime', 'Log']) await browser.send(`${domain}.enable`);
    return browser;
  }

  /** Null where there is none yet: the browser answers before it has opened one. */
  private async firstPage(): Promise<string | null> {
    const { targetInfos } = (await this.send('Target.getTargets')) as {
      targetInfos: { type: string; targetId: string }[];
    };
    return targetInfos.find(({ type }) => type === 'page')?.targetId ?? null;
  }

  async open(url: string): Promise<void> {
    await this.send('Page.navigate', { url });
  }

  async resize(width: number, height: number): Promise<void> {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
  }

  async colourScheme(value: 'light' | 'dark'): Promise<void> {
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });
  }

  /** The value of an expression in the page; a promise is waited for. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    const { result, exceptionDetails } = answer as { result: { value: T }; exceptionDetails?: Json };
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  /** Resolves once the expression is true in the page; the error names the expression and shows the page's text. */
  async until(expression: string, timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await this.evaluate<boolean>(`Boolean(${expression})`))) {
      if (performance.now() > deadline) {
        const text = await this.evaluate<string>('document.title + "\\n" + document.body.innerText');
        throw new Error(
          `The page never came to ${expression} within ${timeoutMs} ms; it shows:\n${text.slice(0, 3000)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The whole page as a PNG. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.send('Page.captureScreenshot', { captureBeyondViewport: true });
    return Buffer.from(data as string, 'base64');
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    process.kill(-this.child.pid!, 'SIGKILL');
    await ended;
    rmSync(this.home, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  }

  private send(method: string, params: Json = {}): Promise<Json> {
    const id = this.nextId++;
    const message = { id, method, params, ...(this.session === '' ? {} : { sessionId: this.session }) };
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`Chromium did not answer ${method}`)), ANSWER_TIMEOUT_MS);
      this.waiting.set(id, (answer) => {
        clearTimeout(timer);
        if (answer.error === undefined) resolve(answer.result as Json);
        else reject(new Error(`Chromium refused ${method}: ${JSON.stringify(answer.error)}`));
      });
      this.toBrowser.write(`${JSON.stringify(message)}\0`);
    });
  }

  private take(chunk: string): void {
    const messages = (this.rest + chunk).split('\0');
    this.rest = messages.pop() ?? '';
    for (const text of messages) this.dispatch(JSON.parse(text) as Json);
  }

  private dispatch(message: Json): void {
    if (typeof message.id === 'number') {
      this.waiting.get(message.id)?.(message);
      this.waiting.delete(message.id);
      return;
    }
    const params = message.params as { exceptionDetails?: Json; entry?: { level: string; text: string } };
    if (message.method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(params.exceptionDetails));
    if (message.method === 'Log.entryAdded' && params.entry?.level === 'error') this.complaints.push(params.entry.text);
  }
}
