/** What this host's Envoy carries, read now; and of a draining host, who is left. */
import type { Sidecar } from '../sidecar.js';

export async function lookAtTraffic({ file, options, takingPart, envoyWatch, left }: Sidecar): Promise<void> {
  const isDraining = takingPart.drain !== null;
  const rules = file.portRules.map(({ name }) => name);
  await envoyWatch.look(rules, isDraining);
  await left.look(options.clock.nowMs(), isDraining, file, options.host);
}
