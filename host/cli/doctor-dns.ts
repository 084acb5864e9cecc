/** What DNS says of a cluster: its name forward, its addresses back. Asked from the machine that runs `nlb doctor`. */
import { Resolver } from 'node:dns/promises';
import { systemCode } from '../edge/edge-error.js';
import type { DnsFacts } from '../doctor/facts.js';
import type { ClusterFile } from '../protocol/types.js';

/** Half a minute of waiting would be Node.js's own. */
const TIMEOUT_MS = 2000;
/** BOUNDED: addresses looked up backwards. */
const REVERSE_MAX = 64;

/** What is asked of DNS; a test has its own. */
export type Resolving = Pick<Resolver, 'resolve4' | 'resolve6' | 'reverse'>;

export async function dnsOf(
  file: ClusterFile,
  resolver: Resolving = new Resolver({ timeout: TIMEOUT_MS, tries: 1 }),
): Promise<DnsFacts> {
  const expected = file.listenOn === 'dedicatedIp' ? file.hosts.map((host) => host.dedicatedIp) : file.virtualIps;
  const [four, six] = await Promise.all([
    asked(resolver.resolve4(file.clusterName)),
    asked(resolver.resolve6(file.clusterName)),
  ]);
  const addresses = [...four.found, ...six.found];
  // A test address on loopback has no name anywhere.
  const backwards = expected.filter((address) => !address.startsWith('127.')).slice(0, REVERSE_MAX);
  const reverse = await Promise.all(
    backwards.map(async (address) => {
      const { found, failure } = await asked(resolver.reverse(address));
      return { address, names: found, failure };
    }),
  );
  return {
    addresses: addresses.length > 0 ? addresses : null,
    failure: addresses.length > 0 ? null : four.failure,
    reverse,
  };
}

async function asked(question: Promise<string[]>): Promise<{ found: string[]; failure: string | null }> {
  return question.then(
    (found) => ({ found, failure: null }),
    (error) => ({ found: [], failure: systemCode(error) }),
  );
}
