/** The filter: where its file comes from, and the copy of it that Envoy reads. */
import { existsSync } from 'node:fs';
import { copyFile, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EdgeError } from './edge-error.js';
import { shortHash } from './hash.js';

/** Beside the built sidecar or, where the sources run as they are, in build/. */
export function filterPath(): string {
  const places = ['../../wasm/filter.wasm', '../../build/wasm/filter.wasm'];
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const path = paths.find((candidate) => existsSync(candidate));
  if (path) return path;
  throw new EdgeError('ENVOY_NOT_FOUND', `Cannot find filter.wasm: none of ${paths.join(', ')}; run npm run build`);
}

/**
 * Puts filter.wasm beside Envoy's files, named by its content: an Envoy that is started again finds it also while the
 * program is being replaced, and another build is another file, hence another VM.
 *
 * @returns its path
 */
export async function installFilter(sourcePath: string, directory: string): Promise<string> {
  const path = join(directory, `filter-${shortHash(await readFile(sourcePath))}.wasm`);
  const beside = `${path}.new`;
  const names = await readdir(directory);
  if (!names.some((name) => join(directory, name) === path)) {
    await copyFile(sourcePath, beside);
    await rename(beside, path);
  }
  return path;
}

/** Removes filters of earlier builds. Only once Envoy has taken the present one: until then ecds.json names the old. */
export async function removeOldFilters(directory: string, presentPath: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (/^filter-[0-9a-f]{16}\.wasm$/.test(name) && path !== presentPath) await unlink(path).catch(() => {});
  }
}
