/** Starts the parts of the demo's hosts and writes what they need. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { writeKeyFile } from '../../host/edge/key-file.js';
import { clusterFileText } from './cluster-file.js';
import {
  type DemoHost,
  type Layout,
  logFile,
  mailDirectory,
  pidFile,
  PROJECT,
  SIDECAR_PROGRAM,
  SMTP_PROGRAM,
} from './layout.js';
import { findParts } from './processes.js';

/** Bytes of a cluster key. */
const KEY_BYTES = 32;

/** A fresh cluster: mail, state and logs of an earlier run are removed. */
export function writeFiles(layout: Layout): void {
  mkdirSync(layout.directory, { recursive: true });
  writeFileSync(layout.clusterFile, clusterFileText(layout));
  rmSync(layout.keyFile, { force: true });
  writeKeyFile(layout.keyFile, { id: 1, bytes: randomBytes(KEY_BYTES) }, false);
  for (const host of layout.hosts) {
    rmSync(host.directory, { recursive: true, force: true });
    mkdirSync(mailDirectory(host), { recursive: true, mode: 0o700 });
    // So that `kill -9 $(cat .run/mail3/*.pid)` means the whole host; the sidecar writes the file itself.
    symlinkSync('envoy/envoy.pid', pidFile(host, 'envoy'));
  }
}

/** Starts parts and remembers those that ended by themselves. */
export class Hosts {
  /** One line for each part that ended with an error, oldest first. */
  readonly ended: string[] = [];

  constructor(private readonly layout: Layout) {}

  /** A whole host, or what is missing of it; its sidecar starts the Envoy. */
  start(host: DemoHost): void {
    const alive = findParts(this.layout).filter((part) => part.host === host.name);
    if (!alive.some((part) => part.kind === 'smtp')) this.startSmtp(host);
    if (!alive.some((part) => part.kind === 'sidecar')) this.startSidecar(host);
  }

  private startSmtp(host: DemoHost): void {
    const port = String(this.layout.ports.service);
    this.startPart(host, 'smtp', [SMTP_PROGRAM, host.name, host.address, port, host.directory]);
  }

  private startSidecar(host: DemoHost): void {
    const file = ['--config', this.layout.clusterFile, '--host', host.name, '--state-dir', host.directory];
    this.startPart(host, 'sidecar', [SIDECAR_PROGRAM, 'run', ...file]);
  }

  /** In a process group of its own, so that Ctrl-C reaches the demo alone and the demo ends its parts in order. */
  private startPart(host: DemoHost, part: 'sidecar' | 'smtp', command: string[]): void {
    const file = logFile(host, part);
    const log = openSync(file, 'a', 0o600);
    const child = spawn(process.execPath, command, { cwd: PROJECT, detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    writeFileSync(pidFile(host, part), `${child.pid}\n`);
    child.once('exit', (code) => {
      // Null: ended by a signal, which is what the check and the person at the terminal do.
      if (code === null || code === 0) return;
      this.ended.push(`${part} of ${host.name} ended with exit code ${code}; last it said: ${lastLine(file)}`);
    });
    child.unref();
  }
}

function lastLine(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';
}
