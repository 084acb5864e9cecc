/** Where the repository is, for what is not compiled with the benchmark or must be run compiled. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This file runs as build/test/bench/root.js, or from its source under vitest. */
const HERE = fileURLToPath(new URL('.', import.meta.url));

export const ROOT = join(HERE, HERE.endsWith('/build/test/bench/') ? '../../..' : '../..');
