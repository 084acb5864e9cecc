/**
 * Which open connections a new cluster file ends after all. Envoy drains what its listeners do not have any more in the same
 * form, and resets it after its drain time (600 s unless --drain-time-s says otherwise). Pure.
 */
import type { ClusterFile, HostName } from '../protocol/types.js';
import { envoyPaths, fallbackChain, handoffChain, listeners, ruleStatPrefix } from '../protocol/xds/index.js';

interface Chain {
  name: string;
}

interface Listener {
  name: string;
  filter_chains: Chain[];
  filter_chain_matcher?: unknown;
}

/** A sentence for each rule of both files whose open connections are drained on a host; empty where none are. */
export function drainedBy(before: ClusterFile, after: ClusterFile, self: HostName): string[] {
  const [was, is] = [before, after].map((file) => chainsOf(file, self));
  const common = after.portRules.filter(({ name }) => before.portRules.some((rule) => rule.name === name));
  const ends = [...was!].filter(([key, { text }]) => is!.get(key)?.text !== text).map(([, { chain }]) => chain);
  const drained = common.filter(({ name }) =>
    [ruleStatPrefix(name), handoffChain(name), fallbackChain(name)].some((chain) => ends.includes(chain)),
  );
  return drained.map(({ name }) => `port rule ${name}: its open connections are drained, as its listener changes`);
}

/** By listener and chain: all that makes it up, its listener's own settings among it. Chains come and go in place: not the others. */
function chainsOf(file: ClusterFile, self: HostName): Map<string, { chain: string; text: string }> {
  const chains = new Map<string, { chain: string; text: string }>();
  for (const listener of listeners(file, self, envoyPaths('/')) as unknown as Listener[]) {
    const { filter_chains, filter_chain_matcher: _matcher, ...own } = listener;
    for (const chain of filter_chains) {
      chains.set(`${listener.name} ${chain.name}`, { chain: chain.name, text: JSON.stringify([own, chain]) });
    }
  }
  return chains;
}
