import type { AdminApi } from '../../host/admin/api.js';
import { statusFixture } from './cli-fixture.js';

/** A sidecar that is in, does what it is told and knows nothing of its past. */
export function adminApi(changes: Partial<AdminApi> = {}): AdminApi {
  return {
    status: statusFixture,
    entry: () => ({ isIn: true, reason: 'in' }),
    inForce: () => null,
    examination: () => Promise.reject(new Error('not here')),
    history: async () => [],
    explain: () => Promise.reject(new Error('not here')),
    verb: async (verb) => ({ ok: true, text: `${verb} done` }),
    ...changes,
  };
}
