/** An explanation in sentences: who takes the client, who would be next, what if the owner is silent. */
import { stickTimeText } from '../protocol/config/stick-time.js';
import type { ClusterFile, Mode } from '../protocol/types.js';
import type { Explanation } from './explain.js';

export function explanationText(
  explanation: Omit<Explanation, 'text'>,
  { mode, otherPorts }: Pick<ClusterFile, 'mode' | 'otherPorts'>,
): string {
  const { client, destination, rule, owner, nextOwner, refused } = explanation;
  const who = `Client ${client.address}${client.port === null ? '' : ` port ${client.port}`}`;
  const where = `port ${destination.port}/${destination.protocol}`;
  if (rule === null) return `No port rule covers ${where}: ${noRuleText(owner, otherPorts)}`;
  if (refused === 'disabled') return `${who} is refused on ${where}: rule ${rule.name} is disabled.`;
  if (refused === 'nobody' || owner === null) {
    return `${who} is refused on ${where}: no host takes part in rule ${rule.name}.`;
  }
  const next = nextOwner === null ? 'There is no next owner.' : `Next owner: ${nextOwner}.`;
  const belongs = `${who} on ${where} ${keptText(explanation) ?? `belongs to ${owner}`}.`;
  return [belongs, next, silenceText(explanation, owner, mode)].filter(Boolean).join(' ');
}

function keptText({ kept }: Omit<Explanation, 'text'>): string | null {
  if (!kept) return null;
  const { host, without, stickForMs, ageMs } = kept;
  const when = ageMs === 0 ? 'has a connection' : `had a connection ${ageMs === null ? 'before' : agoText(ageMs)}`;
  return `is kept on ${host}, where it ${when} (stickFor ${stickTimeText(stickForMs)}); without that its owner is ${without}`;
}

function agoText(ms: number): string {
  const [amount, unit] = ms < 120_000 ? [ms / 1000, 'second'] : [ms / 60_000, 'minute'];
  const whole = Math.max(1, Math.round(amount));
  return `${whole} ${unit}${whole === 1 ? '' : 's'} ago`;
}

function noRuleText(owner: string | null, otherPorts: ClusterFile['otherPorts']): string {
  if (owner === null) return 'there is no default host either.';
  if (otherPorts === 'defaultHost') return `it leads to the default host ${owner}, if a program listens there.`;
  return 'a program of the host it comes to may answer there, nothing of the cluster does.';
}

function silenceText({ entryHost, mayFallBack, rule }: Omit<Explanation, 'text'>, owner: string, mode: Mode): string {
  if (entryHost === null || rule === null) return '';
  if (entryHost === owner) return `${entryHost} serves it itself.`;
  if (mode === 'arp') return `The kernel of whoever holds the virtual IPs passes it on to ${owner}.`;
  if (mode === 'multicast') return `It comes to every host, and the kernel of ${owner} alone takes it.`;
  const silent = `if ${owner} does not answer within ${rule.ownerPatienceMs} ms,`;
  const then = mayFallBack ? `${entryHost} serves it itself` : 'the connection is closed';
  return `${entryHost} hands it off to ${owner}; ${silent} ${then}.`;
}
