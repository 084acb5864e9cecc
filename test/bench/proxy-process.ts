/** A proxy as a child process: started, waited for until its port accepts, paused between its turns, ended. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../e2e/harness/wait.js';
import type { Place } from './load-process.js';

export interface ProxyProcess {
  pid: number;
  stop(): Promise<void>;
}

export interface ProxyStart {
  name: string;
  /** The configuration; written to a file of its own. */
  config: string;
  /** The command line, given the path of that file and of a directory to work in. */
  command(configPath: string, directory: string): string[];
  /** Accepts once the proxy serves. */
  place: Place;
  /** Put before the command and before what looks whether it accepts, e.g. `ip netns exec a`. */
  prefix?: string[];
}

export async function startProxy({ name, config, command, place, prefix = [] }: ProxyStart): Promise<ProxyProcess> {
  const directory = mkdtempSync(join(tmpdir(), `nlb-bench-${name}-`));
  const configPath = join(directory, 'config.json');
  writeFileSync(configPath, config.replaceAll('{directory}', directory));
  const log = openSync(join(directory, 'log'), 'a');
  const [program = '', ...args] = [...prefix, ...command(configPath, directory)];
  const child = spawn(program, args, { stdio: ['ignore', log, log] });
  let failure: Error | null = null;
  child.once('error', (error) => {
    failure = error;
  });
  const stop = async () => {
    await end(child);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await waitFor(`${name} to accept at ${place.host}:${place.port}`, async () => {
      if (failure !== null || child.exitCode !== null) return 'ended';
      return (await accepts(place, prefix)) ? 'serves' : null;
    }).then((state) => {
      if (state === 'ended') throw new Error(`${program} ended: ${failure?.message ?? `exit code ${child.exitCode}`}`);
    });
  } catch (error) {
    const said = readFileSync(join(directory, 'log'), 'utf8');
    await stop();
    throw new Error(`Cannot start ${name}: ${(error as Error).message}\n${said}`);
  }
  return { pid: child.pid ?? 0, stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill('SIGCONT');
  child.kill('SIGTERM');
  await waitFor(`process ${child.pid} to end`, () => child.exitCode !== null || child.signalCode !== null);
}

async function accepts(place: Place, prefix: string[]): Promise<boolean> {
  if (prefix.length > 0) return listens(place, prefix);
  return new Promise((resolve) => {
    const socket = connect(place.port, place.host);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.on('close', () => socket.destroy());
    socket.setTimeout(1000, () => socket.destroy());
    socket.once('connect', () => socket.destroy());
  });
}

/** In another namespace nothing can be connected to from here; somebody listens there. */
function listens({ port }: Place, prefix: string[]): boolean {
  const [program = '', ...args] = [...prefix, 'ss', '-Htln', `sport = :${port}`];
  return spawnSync(program, args, { encoding: 'utf8' }).stdout.trim() !== '';
}
