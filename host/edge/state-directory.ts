/**
 * The directory a sidecar keeps between its runs: a lock, whose it is, and the protocol's durable state (the highest view
 * number ever confirmed, R3; what the administrator stopped). One directory belongs to one host of one cluster; a locked
 * or copied one is refused, because two hosts that go on from one state would confirm two views under one number.
 *
 *     <stateDir>/lock            flock(2), held while the sidecar lives; the kernel lets go when it dies
 *     <stateDir>/identity.json   whose it is
 *     <stateDir>/state.json      what the protocol wants back
 *     <stateDir>/reserve         room for the next view on a full disk
 *     <stateDir>/nlb.sock        control socket, 0600
 *     <stateDir>/envoy/          Envoy's files, log, pid file and admin socket
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { EdgeError, systemCode } from './edge-error.js';
import { replaceFile } from './files.js';

export interface StateDirectoryOwner {
  clusterName: string;
  host: string;
  dedicatedIp: string;
}

export interface StateDirectory {
  readonly path: string;
  readonly envoyPath: string;
  readonly socketPath: string;
  /** What was saved last, or null at the first start. */
  readonly saved: unknown;
  /** Keeps the newest value; writes never overlap, and values in between are skipped. Rejects with an EdgeError. */
  save(value: unknown): Promise<void>;
  close(): Promise<void>;
}

/**
 * Takes the directory for this host, making it where it is missing.
 *
 * @throws EdgeError STATE_DIRECTORY_UNUSABLE, _LOCKED, _FOREIGN or STATE_UNREADABLE
 */
export async function openStateDirectory(path: string, owner: StateDirectoryOwner): Promise<StateDirectory> {
  const envoyPath = join(path, 'envoy');
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    mkdirSync(envoyPath, { recursive: true, mode: 0o700 });
    chmodSync(envoyPath, 0o700);
  } catch (error) {
    throw new EdgeError('STATE_DIRECTORY_UNUSABLE', `Cannot make the state directory ${path}: ${systemCode(error)}`);
  }
  const lock = takeLock(path);
  try {
    await checkOwner(path, owner);
    return stateDirectory(path, envoyPath, lock, readState(join(path, 'state.json')));
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/**
 * A flock belongs to the open file, not to the process that asked for it: flock(1) locks our descriptor, ends, and we hold
 * the lock until we close it or die. Node.js has no call of its own for it.
 */
function takeLock(path: string): number {
  const file = join(path, 'lock');
  let descriptor: number;
  try {
    descriptor = openSync(file, 'a+', 0o600);
  } catch (error) {
    throw new EdgeError('STATE_DIRECTORY_UNUSABLE', `Cannot open ${file}: ${systemCode(error)}`);
  }
  const { status, error } = spawnSync('flock', ['--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', descriptor],
  });
  if (status === 0) {
    ftruncateSync(descriptor);
    writeSync(descriptor, `${process.pid}\n`);
    return descriptor;
  }
  const holder = readFileSync(file, 'utf8').trim();
  closeSync(descriptor);
  if (error) {
    const text = `Cannot lock ${file}: flock of util-linux does not start (${systemCode(error)})`;
    throw new EdgeError('STATE_DIRECTORY_UNUSABLE', text);
  }
  const text = `State directory ${path} is in use by another sidecar (process ${holder || 'unknown'}); one host has one sidecar`;
  throw new EdgeError('STATE_DIRECTORY_LOCKED', text);
}

/** /etc/machine-id differs between a machine and its clone once that was set up properly; null where there is none. */
function machineId(): string | null {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || null;
  } catch {
    return null;
  }
}

async function checkOwner(path: string, owner: StateDirectoryOwner): Promise<void> {
  const file = join(path, 'identity.json');
  const wanted: Record<string, string | null> = { ...owner, machineId: machineId() };
  const found = readJson(file) as Record<string, string | null> | null;
  if (found === null) return replaceFile(file, `${JSON.stringify(wanted, null, 2)}\n`);
  const words: Record<string, string> = {
    clusterName: 'cluster',
    host: 'host',
    dedicatedIp: 'dedicated IP',
    machineId: 'machine id',
  };
  for (const key of Object.keys(words)) {
    const [was, is] = [found[key] ?? null, wanted[key] ?? null];
    // A container may have no machine id, or get one later: only two different ones tell a copy.
    if (was === is || (key === 'machineId' && (was === null || is === null))) continue;
    const text =
      `State directory ${path} belongs to ${words[key]} ${was}, this is ${is}. It looks like a copy; ` +
      `give this host a directory of its own (--state-dir), or remove ${file} and state.json beside it to start afresh`;
    throw new EdgeError('STATE_DIRECTORY_FOREIGN', text);
  }
}

function readState(file: string): unknown {
  return readJson(file);
}

/** @returns null where there is no such file; an unreadable one is refused, never taken for a missing one. */
function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw new EdgeError('STATE_UNREADABLE', `Cannot read ${file}: ${systemCode(error)}`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const text = `Cannot read ${file}: it is not JSON, expected what a sidecar wrote. Remove it to start this host afresh`;
    throw new EdgeError('STATE_UNREADABLE', text);
  }
}

function stateDirectory(path: string, envoyPath: string, lock: number, saved: unknown): StateDirectory {
  const file = join(path, 'state.json');
  let writing: Promise<void> | null = null;
  let next: { value: unknown } | null = null;

  /** One write at a time; BOUNDED: one value waits, the newest. */
  async function writeAll(): Promise<void> {
    try {
      while (next) {
        const { value } = next;
        next = null;
        await replaceFile(file, `${JSON.stringify(value)}\n`);
      }
    } finally {
      // Here, not where it is waited for: a value that comes in the moment between would be said to be on disk, and is not.
      writing = null;
    }
  }

  function save(value: unknown): Promise<void> {
    next = { value };
    writing ??= writeAll();
    return writing;
  }

  async function close(): Promise<void> {
    await writing?.catch(() => {});
    closeSync(lock);
  }

  return { path, envoyPath, socketPath: join(path, 'nlb.sock'), saved, save, close };
}
