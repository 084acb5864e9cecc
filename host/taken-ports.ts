/** What else listens where this host would by another cluster file: that makes the file unfit for it. */
import type { ClusterFile } from './protocol/types.js';
import type { Sidecar } from './sidecar.js';

/** @throws EdgeError PORT_TAKEN, naming every port and who has it */
export async function refusePortsTakenFor({ envoy, file, options }: Sidecar, next: ClusterFile): Promise<void> {
  const port = next.remoteControl?.port;
  const isNew = port !== undefined && port !== file.remoteControl?.port;
  await envoy.refusePortsTakenFor(next, isNew ? [{ address: options.host.dedicatedIp, port }] : []);
}
