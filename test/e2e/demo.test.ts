/**
 * `npm start` as a person uses it: it ends what it started, whatever ends it, and `--check` keeps its promises. The demo is
 * the built one, on ports of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../build/test/demo/main.js', import.meta.url));
const SEND = fileURLToPath(new URL('../../build/test/demo/send.js', import.meta.url));
const PORT_BASE = '27200';
/** Some five seconds on a quiet machine. */
const PATIENCE_MS = 60_000;

interface Ended {
  code: number | null;
  output: string;
}

class Run {
  output = '';
  readonly ended: Promise<Ended>;
  private readonly child: ChildProcess;

  constructor(program: string, args: string[]) {
    this.child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code) => resolve({ code, output: this.output }));
    });
  }

  signal(name: NodeJS.Signals): Promise<Ended> {
    this.child.kill(name);
    return this.ended;
  }

  /** Resolves once the output has such a text; rejects with all of it when the program ended first, or takes too long. */
  async until(text: RegExp): Promise<void> {
    let isOver = false;
    void this.ended.then(() => {
      isOver = true;
    });
    const deadline = performance.now() + PATIENCE_MS;
    while (!text.test(this.output)) {
      if (isOver || performance.now() > deadline) {
        throw new Error(`The demo never said ${text}${isOver ? ', it ended' : ''}; it said:\n${this.output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const startDemo = (...args: string[]) => new Run(MAIN, ['--port-base', PORT_BASE, ...args]);
const ALL_THERE = /mail1 converged 3\d\.\d %, mail2 converged 3\d\.\d %, mail3 converged 3\d\.\d %/;

describe('npm start', () => {
  let demo: Run;
  afterEach(() => demo.signal('SIGINT'));

  test('with --check keeps every promise and exits 0', async () => {
    demo = startDemo('--check');
    const { code, output } = await demo.ended;
    expect(output).not.toContain('FAIL');
    expect(output).toContain('PASS  300 of 300 messages accepted');
    expect(code, output).toBe(0);
  });

  test('serves mail and pages, lets no second demo start, and Ctrl-C leaves nothing behind', async () => {
    demo = startDemo();
    await demo.until(ALL_THERE);
    const sent = await new Run(SEND, ['127.9.9.9']).ended;
    expect(sent.code, sent.output).toBe(0);
    expect(new Set(sent.output.match(/mail\d(?= keeps it)/g)).size, sent.output).toBe(1);
    for (const host of [1, 2, 3]) {
      const page = await fetch(`http://127.0.1.${host}:${Number(PORT_BASE) + 4}/`);
      expect(await page.text()).toContain('<h2 id="hosts-title">Hosts</h2>');
    }
    const second = await startDemo().ended;
    expect(second.code).toBe(1);
    expect(second.output).toMatch(/A demo runs already \(process \d+\)/);
    expect((await demo.signal('SIGINT')).code).toBe(0);
    demo = startDemo('--check');
    await demo.until(/PASS {2}all hosts serve/);
    expect(demo.output).not.toContain('left behind');
  });

  test('finds and ends what a killed demo left behind', async () => {
    demo = startDemo();
    await demo.until(ALL_THERE);
    await demo.signal('SIGKILL');
    demo = startDemo();
    await demo.until(/ending what an earlier demo left behind/);
    for (const part of ['smtp', 'sidecar', 'envoy']) expect(demo.output).toContain(`${part} of mail3`);
    await demo.until(ALL_THERE);
  });
});
