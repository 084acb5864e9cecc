/** Where a verb reads and writes, so that a test can hold the other end. */
export interface Terminal {
  /** Answers: text or JSON. */
  out(text: string): void;
  /** Everything that is not the answer: errors, hints, questions. */
  err(text: string): void;
  /** Asks one question and waits for a line; null where nobody can be asked. */
  ask: ((question: string) => Promise<string>) | null;
  env: Readonly<Record<string, string | undefined>>;
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
