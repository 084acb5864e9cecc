/** Starts the parts of the demo's hosts and writes what they need. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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

/** Bytes of the cluster key; the file holds them as hex. */
const KEY_BYTES = 32;

/** A fresh cluster: mail, state and logs of an earlier run are removed. */
export function writeFiles(layout: Layout): void {
  mkdirSync(layout.directory, { recursive: true });
  writeFileSync(layout.clusterFile, clusterFileText(layout));
  rmSync(layout.keyFile, { force: true });
  writeFileSync(layout.keyFile, `${randomBytes(KEY_BYTES).toString('hex')}\n`, { mode: 0o600 });
  for (const host of layout.hosts) {
    rmSync(host.directory, { recursive: true, force: true });
    mkdirSync(mailDirectory(host), { recursive: true, mode: 0o700 });
    // So that `kill -9 $(cat .run/mail3/*.pid)` means the whole host; the sidecar writes the file itself.
    symlinkSync('envoy/envoy.pid', pidFile(host, 'envoy'));
  }
}

export function startSmtp(layout: Layout, host: DemoHost): ChildProcess {
  return start(host, 'smtp', [SMTP_PROGRAM, host.name, host.address, String(layout.ports.service), host.directory]);
}

export function startSidecar(layout: Layout, host: DemoHost): ChildProcess {
  const file = ['--config', layout.clusterFile, '--host', host.name, '--state-dir', host.directory];
  return start(host, 'sidecar', [SIDECAR_PROGRAM, 'run', ...file]);
}

/** Starts what is missing of a host; its sidecar starts the Envoy. */
export function startMissing(layout: Layout, host: DemoHost): void {
  const alive = findParts(layout).filter((part) => part.host === host.name);
  if (!alive.some((part) => part.kind === 'smtp')) startSmtp(layout, host);
  if (!alive.some((part) => part.kind === 'sidecar')) startSidecar(layout, host);
}

/** In a process group of its own, so that Ctrl-C reaches the demo alone and the demo ends its parts in order. */
function start(host: DemoHost, part: 'sidecar' | 'smtp', command: string[]): ChildProcess {
  const log = openSync(logFile(host, part), 'a', 0o600);
  const child = spawn(process.execPath, command, { cwd: PROJECT, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  writeFileSync(pidFile(host, part), `${child.pid}\n`);
  child.unref();
  return child;
}
