/** Programs of a host that say whom they greet, and where the client wanted to: greeter.py. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { NetworkHost } from './network.js';

const GREETER = fileURLToPath(new URL('greeter.py', import.meta.url));

/** Ends when the log says so, or with the program that does not come to it. */
const STARTED = 'setsid "$@" </dev/null & while kill -0 $! && ! grep -q ^ready "$0"; do sleep 0.05; done';

/**
 * It listens when this returns. Nobody's child, so that it lives as long as its namespace; it logs beside the state directory.
 *
 * @param places  `127.0.0.1,2525,v2`: where it listens, and whether a PROXY header comes first
 */
export function startGreeter(host: NetworkHost, stateDir: string, places: readonly string[]): void {
  const logPath = `${stateDir}.greeter.log`;
  const log = openSync(logPath, 'a');
  const command = ['python3', GREETER, host.name, ...places];
  const args = ['netns', 'exec', host.namespace, 'sh', '-c', STARTED, logPath, ...command];
  spawnSync('ip', args, { stdio: ['ignore', log, log] });
  closeSync(log);
  const said = readFileSync(logPath, 'utf8');
  if (!/^ready$/m.test(said)) throw new Error(`Cannot start the greeter of ${host.name}: ${said}`);
}
