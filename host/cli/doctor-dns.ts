/** What DNS says of a cluster: its name forward, its addresses back. Asked from the machine that runs `nlb doctor`. */
import { Resolver } from 'node:dns/promises';
import { systemCode } from '../edge/edge-error.js';
import { type DnsFacts, isNoSuchName, type ReverseFacts } from '../doctor/facts.js';
import { parseAddress } from '../protocol/config/address.js';
import type { ClusterFile, Milliseconds } from '../protocol/types.js';

/** Of one name server; half a minute of waiting would be Node.js's own. */
const TIMEOUT_MS = 2000;
/** Of all questions: name servers are asked one after another, and names once they are known. As long as a host is waited for. */
const PATIENCE_MS = 8000;
/** BOUNDED: addresses looked up backwards. */
const REVERSE_MAX = 64;
/** BOUNDED: names of one address that are looked up forward. */
const NAMES_MAX = 8;

/** What is asked of DNS; a test has its own. */
export type Resolving = Pick<Resolver, 'resolve4' | 'resolve6' | 'reverse' | 'cancel'>;

/** Never takes longer than `patienceMs`, and ends with `signal`: what DNS has not answered by then has no answer (ETIMEOUT). */
export async function dnsOf(
  file: ClusterFile,
  signal: AbortSignal,
  resolver: Resolving = new Resolver({ timeout: TIMEOUT_MS, tries: 1 }),
  patienceMs: Milliseconds = PATIENCE_MS,
): Promise<DnsFacts> {
  const dns = new Asking(resolver);
  const giveUp = (): void => dns.giveUp();
  const patience = setTimeout(giveUp, patienceMs);
  signal.addEventListener('abort', giveUp);
  if (signal.aborted) giveUp();
  try {
    return await factsOf(file, dns);
  } finally {
    clearTimeout(patience);
    signal.removeEventListener('abort', giveUp);
  }
}

async function factsOf(file: ClusterFile, dns: Asking): Promise<DnsFacts> {
  const expected = file.listenOn === 'dedicatedIp' ? file.hosts.map((host) => host.dedicatedIp) : file.virtualIps;
  // A test address on loopback has no name anywhere.
  const backwards = expected.filter((address) => !address.startsWith('127.') && address !== '::1');
  const [four, six, reverse] = await Promise.all([
    dns.asked('resolve4', file.clusterName),
    dns.asked('resolve6', file.clusterName),
    Promise.all(backwards.slice(0, REVERSE_MAX).map((address) => reverseOf(dns, address))),
  ]);
  const addresses = [...four.found, ...six.found].map((address) => parseAddress(address)?.text ?? address);
  const notAsked = backwards.slice(REVERSE_MAX);
  return {
    addresses: addresses.length > 0 ? addresses : null,
    failure: addresses.length > 0 ? null : unanswered(four.failure, six.failure),
    reverse,
    ...(notAsked.length > 0 ? { notAsked } : {}),
  };
}

/** Back to names, and from each of them forward again, in the family of the address. */
async function reverseOf(dns: Asking, address: string): Promise<ReverseFacts> {
  const { found, failure } = await dns.asked('reverse', address);
  const forward = address.includes(':') ? 'resolve6' : 'resolve4';
  const names = await Promise.all(
    found.slice(0, NAMES_MAX).map(async (name) => {
      const answer = await dns.asked(forward, name);
      const addresses = answer.found.map((each) => parseAddress(each)?.text ?? each);
      return { name, addresses: answer.failure === null ? addresses : null, failure: answer.failure };
    }),
  );
  return { address, names, failure };
}

/** Of two failures the one that is no answer: what the other family has is not known then. */
function unanswered(four: string | null, six: string | null): string | null {
  return six !== null && !isNoSuchName(six) ? six : four;
}

/** Questions that end all together; what would be asked afterwards, because of an answer, is not. */
class Asking {
  private isOver = false;

  constructor(private readonly resolver: Resolving) {}

  giveUp(): void {
    this.isOver = true;
    this.resolver.cancel();
  }

  async asked(
    what: 'resolve4' | 'resolve6' | 'reverse',
    of: string,
  ): Promise<{ found: string[]; failure: string | null }> {
    if (this.isOver) return { found: [], failure: 'ETIMEOUT' };
    return this.resolver[what](of).then(
      (found) => ({ found, failure: null }),
      (error) => ({ found: [], failure: failureOf(error) }),
    );
  }
}

function failureOf(error: unknown): string {
  const code = systemCode(error);
  // By us, when the time was up.
  return code === 'ECANCELLED' ? 'ETIMEOUT' : code;
}
