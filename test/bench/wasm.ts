/** The wasm modules of the benchmark: the real filter, an empty one, and the same decision on the SDK's runtime. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './root.js';

const BUILT = join(ROOT, 'build/bench');

export interface WasmPaths {
  filter: string;
  empty: string;
  sdk: string;
}

export function decisionWasmPath(): string {
  return built('decision');
}

function built(name: string): string {
  const path = join(ROOT, `build/wasm/${name}.wasm`);
  if (!existsSync(path)) throw new Error(`${path} is missing, expected it from: npm run build`);
  return path;
}

/** Compiles what is not built by `npm run build`. */
export function wasmPaths(): WasmPaths {
  mkdirSync(BUILT, { recursive: true });
  const library = ['--lib', 'test/bench/wasm/lib', '--use', 'process=quietProcess', '--use', 'abort=abort_proc_exit'];
  return {
    filter: built('filter'),
    empty: compile('empty', ['--runtime', 'stub', '--use', 'abort=']),
    sdk: compile('sdk', ['--runtime', 'incremental', ...library]),
  };
}

function compile(name: string, options: string[]): string {
  const out = join(BUILT, `${name}.wasm`);
  const compiler = join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
  const source = `test/bench/wasm/${name}.as.ts`;
  const args = [compiler, source, '-O3', '--exportStart', '_initialize', ...options, '-o', out];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`Cannot compile ${source}: asc ended with exit code ${status}\n${stderr}`);
  return out;
}
