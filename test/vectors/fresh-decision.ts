/** decision.wasm, built in memory from the sources as they are: a test must not pass on yesterday's build. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { type Decision, instantiateDecision } from '../../host/edge/decision.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** One constant of the sources, changed on the way. `from` must stand there exactly once. */
export interface SourceChange {
  path: string;
  from: string;
  to: string;
}

export async function freshDecision(change?: SourceChange): Promise<Decision> {
  let wasm: Uint8Array | undefined;
  const args = ['assembly/library.ts', '--config', 'asconfig.json', '--target', 'decision', '--baseDir', ROOT];
  const { error, stderr } = await asc.main([...args, '--outFile', 'decision.wasm'], {
    readFile: async (name, baseDir) => {
      const text = await readFile(join(baseDir, name), 'utf8').catch(() => null);
      return text !== null && name === change?.path ? changed(text, change) : text;
    },
    writeFile: (name, content) => {
      if (name === 'decision.wasm') wasm = content as Uint8Array;
    },
  });
  if (error || !wasm) throw new Error(`decision.wasm does not compile:\n${stderr.toString()}`, { cause: error });
  return instantiateDecision(wasm);
}

function changed(text: string, { path, from, to }: SourceChange): string {
  const count = text.split(from).length - 1;
  if (count !== 1) throw new Error(`${path} has "${from}" ${count} times, expected once`);
  return text.replace(from, to);
}
