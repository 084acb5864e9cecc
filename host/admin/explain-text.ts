/** An explanation in sentences: who takes the client, who would be next, what if the owner is silent. */
import type { Explanation } from './explain.js';

export function explanationText(explanation: Omit<Explanation, 'text'>): string {
  const { client, destination, rule, owner, nextOwner, refused } = explanation;
  const who = `Client ${client.address}${client.port === null ? '' : ` port ${client.port}`}`;
  const where = `port ${destination.port}/${destination.protocol}`;
  if (rule === null) {
    const host = owner === null ? 'there is no default host either' : `its owner is the default host ${owner}`;
    return `No port rule covers ${where}: ${host}, and in mode routed nothing listens there.`;
  }
  if (refused === 'disabled') return `${who} is refused on ${where}: rule ${rule.name} is disabled.`;
  if (refused === 'nobody' || owner === null) {
    return `${who} is refused on ${where}: no host takes part in rule ${rule.name}.`;
  }
  const next = nextOwner === null ? 'There is no next owner.' : `Next owner: ${nextOwner}.`;
  return [`${who} on ${where} belongs to ${owner}.`, next, silenceText(explanation, owner)].filter(Boolean).join(' ');
}

function silenceText({ entryHost, mayFallBack, rule }: Omit<Explanation, 'text'>, owner: string): string {
  if (entryHost === null || rule === null) return '';
  if (entryHost === owner) return `${entryHost} serves it itself.`;
  const silent = `if ${owner} does not answer within ${rule.ownerPatienceMs} ms,`;
  const then = mayFallBack ? `${entryHost} serves it itself` : 'the connection is closed';
  return `${entryHost} hands it off to ${owner}; ${silent} ${then}.`;
}
