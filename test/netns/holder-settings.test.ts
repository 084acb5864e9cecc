/** Mode arp: what the holder's own connections come from, and who does not take the virtual IPs although nobody holds them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { authenticatorOf } from '../../host/edge/authenticator.js';
import { OWN_VERSIONS, seal } from '../../host/protocol/seal.js';
import { waitFor } from '../e2e/harness/wait.js';
import { type Cluster, type ClusterHost, startCluster, VIRTUAL_IP, VIRTUAL_IP6 } from './cluster.js';
import { allConverged } from './detect-cases.js';
import { leftovers, neighbourOf } from './holder-lab.js';
import { inside } from './inside.js';
import { type NetworkHost, whyNoNetwork } from './network.js';
import { startService } from './sessions.js';

const why = whyNoNetwork();
if (why) console.log(`skipped: ${why}`);
const LIMIT_MS = 60_000;
const HEARTBEAT_PORT = 7620;
let cluster: Cluster;

afterEach(() => cluster?.remove());

type Hosts = [ClusterHost, ClusterHost];

async function isHolder(host: ClusterHost): Promise<boolean> {
  return (await cluster.status(host))?.virtualIp?.isHeldHere === true;
}

async function heldBy(host: ClusterHost): Promise<void> {
  await waitFor(`${host.name} holds the virtual IPs`, () => isHolder(host), LIMIT_MS);
}

/** n2's address sends what looks like a heartbeat of n2, sealed with another key. */
function startForger(first: NetworkHost): ChildProcess {
  const key = { id: 1, bytes: new Uint8Array(32).fill(7) };
  const authenticator = authenticatorOf(() => ({ sealing: key, valid: [key] }));
  const body = new Uint8Array(200);
  const type = 'heartbeat' as const;
  const packet = seal(
    { clusterName: 'mail.test.example', sender: 'n2', versions: OWN_VERSIONS, type, body },
    authenticator,
  );
  const script = `import socket, sys, time
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(('10.77.0.2', 0))
while True:
    one.sendto(bytes.fromhex(sys.argv[1]), ('10.77.0.1', int(sys.argv[2])))
    time.sleep(0.1)`;
  const args = ['python3', '-c', script, Buffer.from(packet).toString('hex'), `${HEARTBEAT_PORT}`];
  return spawn('ip', ['netns', 'exec', first.namespace.replace(/n1$/, 'n2'), ...args], { stdio: 'ignore' });
}

describe.skipIf(why !== null)('the virtual IPs in mode arp', () => {
  test('are the source of what the holder connects to where outgoing says so, and of nothing else', async () => {
    const [far, far6] = ['203.0.113.25', '2001:db8:113::25'];
    cluster = startCluster({
      hostCount: 2,
      isFavoured: true,
      heartbeatPeriodMs: 1000,
      missedHeartbeatsMax: 5,
      mode: 'arp',
      lines: ['outgoing: virtualIp'],
      prepare: (host) => {
        inside(host, 'ip', 'route', 'add', 'default', 'via', '10.77.0.250', 'dev', 'eth0');
        inside(host, 'ip', '-6', 'route', 'add', 'default', 'via', 'fd77::250', 'dev', 'eth0');
      },
    });
    const { client } = cluster.network;
    for (const address of [`${far}/32`, `${far6}/128`]) inside(client, 'ip', 'addr', 'add', address, 'dev', 'lo');
    const service = await startService(client, [far, far6], [2500]);
    const [first, second] = cluster.hosts as Hosts;
    /** Whom a mail server elsewhere sees. */
    const seen = async (host: NetworkHost) => {
      const script = `import socket, sys
for to in sys.argv[1:]:
    one = socket.create_connection((to, 2500), timeout=5)
    print(one.makefile().readline().split()[1])`;
      return inside(host, 'python3', '-c', script, far, far6).trim().split('\n');
    };
    try {
      await waitFor('two hosts converged', () => allConverged(cluster), LIMIT_MS);
      const isHeld = async () => (await Promise.all([first, second].map(isHolder))).includes(true);
      await waitFor('a holder', isHeld, LIMIT_MS);
      // On a busy machine the other may have been there first.
      if (!(await isHolder(first))) void cluster.post(first, 'move-vip');
      await heldBy(first);
      const sees = async (host: NetworkHost, addresses: string[]) => {
        const isSeen = async () => (await seen(host)).join() === addresses.join();
        await waitFor(`${host.name} seen as ${addresses}`, isSeen, LIMIT_MS);
      };
      await sees(first, [VIRTUAL_IP, VIRTUAL_IP6]);
      await sees(second, [second.address, second.address6]);
      void cluster.post(second, 'move-vip');
      await heldBy(second);
      await sees(second, [VIRTUAL_IP, VIRTUAL_IP6]);
      await sees(first, [first.address, first.address6]);
      await cluster.post(second, 'stop');
      await waitFor('nothing left', () => leftovers(second).length === 0, LIMIT_MS);
      expect(inside(second, 'ip', 'route')).not.toContain(VIRTUAL_IP);
    } finally {
      service.kill('SIGKILL');
    }
  });

  test('are not taken by a host that is alone and gets packets that it cannot verify, until those end', async () => {
    const forgers: ChildProcess[] = [];
    try {
      cluster = startCluster({
        hostCount: 2,
        isFavoured: true,
        heartbeatPeriodMs: 100,
        missedHeartbeatsMax: 5,
        mode: 'arp',
        prepare: (host) => {
          if (host.name === 'n1') forgers.push(startForger(host));
        },
      });
      const [first, second] = cluster.hosts as Hosts;
      // Before it has sent a word.
      second.sidecar.kill('SIGKILL');
      await waitFor('n1 serves alone', async () => (await cluster.status(first))?.view !== null, LIMIT_MS);
      const moved = async () => JSON.stringify(await cluster.post(first, 'move-vip'));
      const saysWhy = async () => /hosts of the cluster send packets that it cannot verify/.test(await moved());
      await waitFor('n1 says why it does not take them', saysWhy, LIMIT_MS);
      expect([await isHolder(first), neighbourOf(cluster.network.client, VIRTUAL_IP)]).toEqual([false, null]);
      for (const forger of forgers) forger.kill('SIGKILL');
      await heldBy(first);
    } finally {
      for (const forger of forgers) forger.kill('SIGKILL');
    }
  });
});
