/** Where a verb reads and writes, so that a test can hold the other end. */
export interface Terminal {
  /** Answers: text or JSON. */
  out(text: string): void;
  /** Everything that is not the answer: errors, hints, questions. */
  err(text: string): void;
  /** Asks one question and waits for a line; null where nobody can be asked. */
  ask: ((question: string) => Promise<string>) | null;
  env: Readonly<Record<string, string | undefined>>;
  /** What is waited for, in one line that the next one takes the place of; '' takes it away. Null or nothing where nobody sees it. */
  progress?: ((text: string) => void) | null;
  /** The whole screen, for what is drawn live; null or nothing where output is no terminal. */
  screen?: Screen | null;
}

export interface Screen {
  size(): { columns: number; rows: number };
  onResize(draw: () => void): void;
  /** Resolves when the person ends it: q, Ctrl-C, or a signal. */
  ended(): Promise<void>;
  /** Gives keys and signals back. */
  close(): void;
}

export function processTerminal(): Terminal {
  // `nlb display | head` closes our output before we are done: that is no error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    ask: process.stdin.isTTY ? askPerson : null,
    env: process.env,
    progress: process.stderr.isTTY ? showProgress : null,
    screen: process.stdin.isTTY && process.stdout.isTTY ? processScreen() : null,
  };
}

function showProgress(text: string): void {
  const { stderr } = process;
  // To the left end, and what was there away.
  stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns || 80) - 1)}`);
}

function processScreen(): Screen {
  const { stdin, stdout } = process;
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let resize: (() => void) | null = null;
  let end: (() => void) | null = null;
  const onKey = (key: Buffer): void => {
    // q, Q; Ctrl-C and Ctrl-D come as bytes while the terminal is raw.
    if (key.some((byte) => [0x71, 0x51, 3, 4].includes(byte))) end?.();
  };
  return {
    // A terminal that does not know its size says 0.
    size: () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 }),
    onResize(draw) {
      resize = draw;
      stdout.on('resize', draw);
    },
    ended() {
      stdin.setRawMode(true).resume().on('data', onKey);
      return new Promise((resolve) => {
        end = resolve;
        for (const signal of signals) process.once(signal, resolve);
      });
    },
    close() {
      if (resize) stdout.off('resize', resize);
      if (end) for (const signal of signals) process.off(signal, end);
      stdin.off('data', onKey).setRawMode(false).pause();
    },
  };
}

async function askPerson(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(question)).trim();
  } finally {
    lines.close();
  }
}
