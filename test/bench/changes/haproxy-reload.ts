/**
 * HAProxy with a master and a worker, as distributions run it, changed as people do it: another file and SIGUSR2. The master starts
 * a new worker with `-sf`; the old one keeps its sessions until the last has gone.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../e2e/harness/wait.js';
import { withDescendants } from '../cpu.js';
import type { Place } from '../load-process.js';
import { haproxyConfig, TOGETHER } from '../other-proxies.js';
import { startProxy } from '../proxy-process.js';
import type { Contender } from './contender.js';

const HAPROXY = '/usr/sbin/haproxy';

/** Why it cannot be measured here; null where it can. */
export function haproxyAbsence(): string | null {
  return existsSync(HAPROXY) ? null : `not measured: ${HAPROXY} is not there (Debian: apt-get install haproxy)`;
}

export async function startHaproxyReload(place: Place, services: readonly Place[]): Promise<Contender> {
  const directory = mkdtempSync(join(tmpdir(), 'nlb-bench-haproxy-'));
  const [path, socket] = [join(directory, 'haproxy.cfg'), join(directory, 'stats.sock')];
  const masterSocket = join(directory, 'master.sock');
  const write = (change: number) => writeFileSync(path, configOf(place, services, socket, change));
  write(0);
  const command = () => [...TOGETHER, HAPROXY, '-W', '-S', masterSocket, '-f', path];
  const master = await startProxy({ name: 'haproxy_reload', config: '', place, command });
  // A master ignores SIGUSR2 until it has come to its loop, which its worker does not wait for.
  const masterReady = () =>
    waitFor('the master', async () => / master /.test(await answerOf(masterSocket, 'show proc')));
  return {
    places: [place],
    change: async (change) => {
      await masterReady();
      const startedMs = performance.now();
      write(change);
      process.kill(master.pid, 'SIGUSR2');
      const said = `description: change-${change}\n`;
      await waitFor(`worker of change ${change}`, async () => (await answerOf(socket, 'show info')).includes(said));
      return { ms: performance.now() - startedMs, what: 'weights, another worker' };
    },
    settled: async () => {},
    more: () => ({ workers_left: withDescendants(master.pid).length - 1 }),
    stop: async () => {
      await master.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function configOf(place: Place, services: readonly Place[], socket: string, change: number): string {
  return haproxyConfig(place, services, {
    global: [`description change-${change}`, `stats socket ${socket} mode 600 level admin`],
    serverOption: (i) => ` weight ${i === 0 ? 40 + (change % 41) : 60}`,
  });
}

/** What HAProxy answers at that socket; empty where it does not. */
function answerOf(socket: string, question: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const asked = connect(socket, () => asked.write(`${question}\n`));
    asked.setTimeout(1000, () => asked.destroy());
    asked.on('data', (bytes) => {
      text += bytes.toString('latin1');
    });
    asked.on('error', () => {});
    asked.on('close', () => resolve(text));
  });
}
