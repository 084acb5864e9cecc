/** A listener may be open whose rule the view in force does not have: the default host takes what comes there. */
import { afterEach, expect, it } from 'vitest';
import { handoffEnvoyCluster, STAT } from '../../host/protocol/xds/index.js';
import { greeting } from './harness/client.js';
import { clusterFile, RULE_PORT, SERVICE_PORT } from './harness/cluster.js';
import { startEnvoy } from './harness/envoy.js';
import { startService } from './harness/service.js';
import { decisionFor, viewOf } from './harness/view.js';
import { waitFor } from './harness/wait.js';

const PREFIX = '127.0.37';
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it('the default host serves a connection that no rule of the view covers, whatever patience the rules have', async () => {
  const file = clusterFile(PREFIX, 2, [{ ownerPatienceMs: 250 }]);
  const elsewhere = clusterFile(PREFIX, 2, [{ ownerPatienceMs: 250, portFirst: 2626, portLast: 2626 }]);
  const inForce = viewOf(elsewhere, ['mail1', 'mail2']);
  for (const name of ['mail1', 'mail2']) {
    const listen = { host: `${PREFIX}.${name.at(-1)}`, port: SERVICE_PORT };
    const service = await startService({ name, listen, proxyProtocol: 'v2' });
    cleanups.push(() => service.stop());
  }
  const [, entry] = await Promise.all(
    ['mail1', 'mail2'].map(async (self) => {
      const envoy = await startEnvoy({ file, self, ecds: decisionFor(inForce, self) });
      cleanups.push(() => envoy.stop());
      return envoy;
    }),
  );
  const way = handoffEnvoyCluster('mail1', 'strict', 1000);
  await waitFor(`${way} to be healthy`, async () => (await entry!.stat(STAT.healthy(way))) === 1);
  const line = await greeting('127.77.3.1', { host: `${PREFIX}.2`, port: RULE_PORT });
  expect(line).toMatch(/^220 mail1 client=127\.77\.3\.1:/);
  expect(await entry!.stat('wasmcustom.nlb._none.handed_off.mail1')).toBe(1);
});
