import { join } from 'node:path';
import { connectEnvoyAdmin } from '../../../host/edge/envoy-admin.js';

/** The first check of each handoff target is answered: until then a client is served where it came in. */
export async function seesOwners(stateDir: string): Promise<boolean> {
  const admin = connectEnvoyAdmin(join(stateDir, 'envoy', 'admin.sock'));
  try {
    const healthy = await admin.stats('^cluster\\.nlb\\.handoff\\..*\\.membership_healthy$');
    const isSeen = (name: string, count: number | string) => count === (/\.strict\d+\./.test(name) ? 1 : 2);
    return healthy.size > 0 && [...healthy].every(([name, count]) => isSeen(name, count));
  } finally {
    admin.close();
  }
}
