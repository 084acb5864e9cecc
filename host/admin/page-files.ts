/** The page's files, from the folder beside this one. Only names that are in it are served: there is no path to climb. */
import { readdir, readFile } from 'node:fs/promises';
import { extname } from 'node:path';

const FOLDER = new URL('./ui/', import.meta.url);

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
};

export async function pageFile(path: string): Promise<{ type: string; bytes: Buffer } | null> {
  const name = path === '/' ? 'index.html' : path.slice(1);
  const type = TYPES[extname(name)];
  const names = await readdir(FOLDER);
  if (!type || !names.includes(name)) return null;
  return { type, bytes: await readFile(new URL(name, FOLDER)) };
}
