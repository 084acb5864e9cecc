/**
 * Who answers for an address on the link: the question that RFC 5227 (IPv4) and duplicate address detection (IPv6) want asked
 * before an address is taken. The kernel asks (`ip neigh ... use` needs no packet to send), so no raw socket is needed.
 */
import { runProgram } from '../edge/nft.js';

/** On a link an answer takes a few milliseconds. */
const ANSWER_MS = 100;

interface ListedNeighbour {
  dst: string;
  lladdr?: string;
  state?: string[];
}

/**
 * MAC address by address, of those that somebody answers for.
 *
 * @param forMs  how long an answer is waited for; above a second the kernel asks again
 */
export async function whoAnswers(
  prefix: readonly string[],
  device: string,
  addresses: readonly string[],
  forMs = ANSWER_MS,
): Promise<Map<string, string>> {
  const forget = addresses.map((address) => `neigh flush to ${address} dev ${device}`);
  const ask = addresses.map((address) => `neigh replace ${address} dev ${device} use`);
  const ip = [...prefix, 'ip'];
  await runProgram([...ip, '-force', '-batch', '-'], `${[...forget, ...ask].join('\n')}\n`);
  await new Promise((resolve) => setTimeout(resolve, forMs));
  const known = await neighbours(prefix, device);
  await runProgram([...ip, '-force', '-batch', '-'], `${forget.join('\n')}\n`);
  return new Map(addresses.flatMap((address) => (known.has(address) ? [[address, known.get(address)!] as const] : [])));
}

/** MAC address by address, of the neighbours that answered not long ago. */
export async function neighbours(prefix: readonly string[], device: string): Promise<Map<string, string>> {
  const { stdout } = await runProgram([...prefix, 'ip', '-j', 'neigh', 'show', 'dev', device]);
  const listed = stdout.trim() === '' ? [] : (JSON.parse(stdout) as ListedNeighbour[]);
  return new Map(
    listed.flatMap(({ dst, lladdr, state }) =>
      lladdr === undefined || state?.includes('FAILED') === true ? [] : [[dst, lladdr] as const],
    ),
  );
}
