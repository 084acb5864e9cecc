/** Views as a test wants them, and the filter's configuration made from them by the real encoder. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ClusterFile, InForce } from '../../../host/protocol/types.js';
import { encodeView } from '../../../host/protocol/view-bytes.js';
import { type EnvoyJson, filterConfig } from '../../../host/protocol/xds/index.js';

export const FILTER_WASM = fileURLToPath(new URL('../../../build/wasm/filter.wasm', import.meta.url));

/** A view of the whole cluster in which only `takingPart` take part in every rule; weights and priorities of the file. */
export function viewOf(file: ClusterFile, takingPart: string[], number = 1): InForce {
  const hosts = file.hosts.map(({ name, priority }) => ({
    name,
    priority,
    rules: file.portRules.map((rule) => {
      if (!takingPart.includes(name)) return { loadWeight: 0, handlingPriority: 0, absence: 'draining' as const };
      const loadWeight = rule.loadWeights[name] ?? 0;
      return { loadWeight, handlingPriority: rule.handlingPriorities[name] ?? 0, absence: null };
    }),
  }));
  const zeros = '0'.repeat(16);
  const view = { number, checksum: zeros, fingerprint: zeros, decisionVersion: 1, protocolVersion: 1, hosts };
  return { file, view, lostSince: [] };
}

/** The ECDS resource for host `self` under `inForce`. */
export function decisionFor(inForce: InForce, self: string): EnvoyJson {
  if (!existsSync(FILTER_WASM)) throw new Error(`${FILTER_WASM} is missing, expected it from: npm run build`);
  const bytes = Buffer.from(encodeView(inForce, self));
  return filterConfig(bytes.toString('base64'), FILTER_WASM);
}
