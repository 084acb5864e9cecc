/** What the state of a host means, wherever it is asked. */
import type { HostState } from './types.js';

/** Out on purpose. */
export function isOut(hostState: HostState): boolean {
  return hostState === 'stopped' || hostState === 'suspended';
}
