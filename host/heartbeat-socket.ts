/** The heartbeat port of a sidecar: packets become events of its loop, failures lines of its log. */
import type { Log } from './edge/log.js';
import { openUdp, type UdpSocket } from './edge/udp.js';
import type { Arrival } from './loop.js';
import type { ClusterFile, HostConfig } from './protocol/types.js';

/** @throws EdgeError PORT_TAKEN */
export function openHeartbeatSocket(
  host: HostConfig,
  file: ClusterFile,
  log: Log,
  post: (arrival: Arrival) => void,
): Promise<UdpSocket> {
  return openUdp(host.dedicatedIp, file.ports.heartbeat, {
    onPacket: (fromAddress, fromPort, bytes) => post({ kind: 'packet', fromAddress, fromPort, bytes }),
    onError: (code, to) => {
      const where = to === null ? '' : ` to ${to}`;
      log.repeating('warning', `udp ${code} ${to}`, `A heartbeat${where} was not sent or received: ${code}`);
    },
  });
}
