/** Programs of a host that say whom they greet, and where the client wanted to: greeter.py. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { NetworkHost } from './network.js';

const GREETER = fileURLToPath(new URL('greeter.py', import.meta.url));

/**
 * Nobody's child, so that it lives as long as its namespace; it logs beside the state directory.
 *
 * @param places  `127.0.0.1,2525,v2`: where it listens, and whether a PROXY header comes first
 */
export function startGreeter(host: NetworkHost, stateDir: string, places: readonly string[]): void {
  const log = openSync(`${stateDir}.greeter.log`, 'a');
  const command = ['python3', GREETER, host.name, ...places];
  const args = ['netns', 'exec', host.namespace, 'sh', '-c', 'setsid "$@" </dev/null &', 'sh', ...command];
  spawnSync('ip', args, { stdio: ['ignore', log, log] });
  closeSync(log);
}
