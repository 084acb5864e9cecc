/**
 * The virtual IPs as addresses of this machine, by `ip`: on loopback of every host, so that whoever is given a connection can
 * answer it; on the link of the holder alone, for so long as it is renewed. Scope host and deprecated: no outgoing connection
 * takes one for its source by itself. IPv4 ones carry the label `eth0:nlb`.
 */
import { complaintOf, runProgram } from '../edge/nft.js';
import { EdgeError } from '../edge/edge-error.js';
import { labelOn } from '../kernel/names.js';

/** The second net under the lease: whole seconds, so it ends later. */
export function lifetimeS(leaseMs: number): number {
  return Math.ceil(leaseMs / 1000) + 2;
}

export function loopbackLines(virtualIps: readonly string[]): string[] {
  return virtualIps.map((address) => `addr replace ${onDevice(address, 'lo')} ${isV6(address) ? 'nodad' : ''}`);
}

/** Puts them on the link of the holder, or gives them more time there. */
export function linkLines(virtualIps: readonly string[], device: string, leaseMs: number): string[] {
  const lifetime = `valid_lft ${lifetimeS(leaseMs)} preferred_lft 0`;
  return virtualIps.map((address) => `addr replace ${onDevice(address, device)} ${lifetime}`);
}

export function removalLines(addresses: readonly string[], device: string): string[] {
  return addresses.map((address) => `addr del ${address}/${isV6(address) ? 128 : 32} dev ${device}`);
}

function onDevice(address: string, device: string): string {
  if (isV6(address)) return `${address}/128 dev ${device}`;
  const label = labelOn(device);
  return `${address}/32 dev ${device} scope host${label === null ? '' : ` label ${label}`}`;
}

export function isV6(address: string): boolean {
  return address.includes(':');
}

/** Many commands of `ip` in one process. Answers what each complained of; those that did their work are done. */
export async function ipBatch(prefix: readonly string[], lines: readonly string[]): Promise<string[]> {
  if (lines.length === 0) return [];
  const result = await runProgram([...prefix, 'ip', '-force', '-batch', '-'], `${lines.join('\n')}\n`);
  if (/not installed/.test(result.stderr)) {
    throw new EdgeError('KERNEL_REFUSED', 'ip is not installed: install the package iproute2');
  }
  if (result.code === 0) return [];
  const complaints = result.stderr.split('\n').filter((line) => line !== '' && !/^Command failed/.test(line));
  return complaints.length > 0 ? complaints : [complaintOf(result)];
}

/** As ipBatch, for what has to be done wholly. Throws KERNEL_REFUSED with the first complaint. */
export async function ipAll(prefix: readonly string[], lines: readonly string[], what: string): Promise<void> {
  const [complaint] = await ipBatch(prefix, lines);
  if (complaint !== undefined) throw new EdgeError('KERNEL_REFUSED', `Cannot ${what}: ${complaint}`);
}

/** What is removed to be sure need not have been there. */
export function isNotThere(complaint: string): boolean {
  return /No such file or directory|Cannot assign requested address|ddress not found/.test(complaint);
}
