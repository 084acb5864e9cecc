/**
 * The other hosts of a large cluster, all in one process: the real protocol, heartbeat sockets and keys, but no Envoy and no
 * service behind them. Each is healthy and takes every view at once.
 *
 *     node fake-hosts.js CLUSTER_FILE FIRST       all hosts of the file from index FIRST on
 *
 * A message { host, hostState } changes the state of one of them, as drainstop and start do.
 */
import { randomBytes } from 'node:crypto';
import { authenticatorOf } from '../../host/edge/authenticator.js';
import { systemClock } from '../../host/edge/clock.js';
import { loadClusterFile } from '../../host/edge/cluster-file.js';
import { readKeyFile } from '../../host/edge/key-file.js';
import { openUdp } from '../../host/edge/udp.js';
import { Loop } from '../../host/loop.js';
import { type Effect, emptyDurable } from '../../host/protocol/events.js';
import { createState, type ProtocolState, step, tickDueMs } from '../../host/protocol/protocol.js';
import { findingLine } from '../../host/protocol/config/index.js';
import type { HostConfig, OwnSettings } from '../../host/protocol/types.js';

const [path = '', first = '0'] = process.argv.slice(2);
const loaded = loadClusterFile(path);
if (!loaded.ok) throw new Error(`Cannot use ${path}: ${loaded.errors.map(findingLine).join('; ')}`);
const { file, fingerprint, keyPath } = loaded;
const keys = readKeyFile(keyPath);
const rules = file.portRules.map(() => ({ control: 'enabled' as const, serviceUp: true }));
const loops = new Map<string, Loop<ProtocolState>>();

const settingsOf = (hostState: OwnSettings['hostState']): OwnSettings => ({ hostState, rules });

async function open(host: HostConfig): Promise<void> {
  const socket = await openUdp(host.dedicatedIp, file.ports.heartbeat, {
    onPacket: (fromAddress, fromPort, bytes) => loop.post({ kind: 'packet', fromAddress, fromPort, bytes }),
    onError: () => {},
  });
  const carry = (effect: Effect): void => {
    if (effect.kind === 'send') socket.send(effect.toAddress, effect.toPort, effect.bytes);
    if (effect.kind === 'knock') loop.post({ kind: 'envoyAnswer', host: effect.host, answered: true });
    if (effect.kind === 'inForce') {
      loop.post({ kind: 'taken', viewNumber: effect.inForce.view.number, checksum: effect.checksum });
    }
  };
  const initial = createState({
    file,
    fingerprint,
    self: host.name,
    instance: randomBytes(8).readBigUInt64LE(),
    durable: emptyDurable(),
    authenticator: authenticatorOf(() => keys),
    settings: settingsOf('started'),
    nowMs: systemClock.nowMs(),
  });
  const onBroken = (error: unknown) => {
    throw error;
  };
  const loop = new Loop<ProtocolState>({ clock: systemClock, initial, step, tickDueMs, carry, onBroken });
  loops.set(host.name, loop);
  loop.start(() => file.heartbeat.periodMs / 10);
}

await Promise.all(file.hosts.slice(Number(first)).map(open));
process.on('message', ({ host, hostState }: { host: string; hostState: OwnSettings['hostState'] }) => {
  loops.get(host)?.post({ kind: 'settings', settings: settingsOf(hostState) });
});
process.on('disconnect', () => process.exit());
process.send?.('open');
