/** filter.wasm, built in memory from the sources as they are, or with one of them changed on the way. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import asc from 'assemblyscript/asc';

const ROOT = new URL('../..', import.meta.url).pathname;

/** Bounds a hang of the compiler; it takes 1-5 s. */
export const BUILD_TIMEOUT_MS = 120_000;

export interface BuiltFilter {
  wasm: Uint8Array<ArrayBuffer>;
  /** The same module as text, functions by name. */
  wat: string;
}

/** `from` must stand in the file exactly once: a change that changes nothing would prove nothing. */
export interface SourceChange {
  path: string;
  from: string;
  to: string;
}

export async function buildFilter(change?: SourceChange): Promise<BuiltFilter> {
  const out = new Map<string, Uint8Array | string>();
  const args = ['assembly/index.ts', '--config', 'asconfig.json', '--target', 'filter', '--textFile', 'filter.wat'];
  const { error, stderr } = await asc.main([...args, '--outFile', 'filter.wasm', '--baseDir', ROOT], {
    readFile: async (name, baseDir) => {
      const text = await readFile(join(baseDir, name), 'utf8').catch(() => null);
      return text !== null && name === change?.path ? changed(text, change) : text;
    },
    writeFile: (name, content) => void out.set(name, content),
  });
  if (error) throw new Error(`filter.wasm does not compile:\n${stderr.toString()}`, { cause: error });
  return { wasm: new Uint8Array(out.get('filter.wasm') as Uint8Array), wat: String(out.get('filter.wat')) };
}

function changed(text: string, { path, from, to }: SourceChange): string {
  const count = text.split(from).length - 1;
  if (count !== 1) throw new Error(`${path} has "${from}" ${count} times, expected once`);
  return text.replace(from, to);
}
