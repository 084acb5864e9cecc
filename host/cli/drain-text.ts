/** What a draining host still waits for, in words. */
import type { ClusterStatus, DrainStatus } from '../admin/status.js';
import { described } from '../control/rules-meant.js';
import { counted, table, timeText, wrapped } from './output.js';

/** `: 5 connections left`, for one line a host. Empty where it does not drain. */
export function drainSentence({ drain }: ClusterStatus): string {
  if (drain === null) return '';
  const count = leftCount(drain);
  return count === null ? '' : `: ${count} connection${count === 1 ? '' : 's'} left`;
}

/** Port rules that drain here for so long at most. */
export function ruleDrainText({ rules }: Pick<ClusterStatus, 'rules'>): string {
  const lines = rules.flatMap((rule) => {
    if (rule.drainEndsAt === undefined) return [];
    const left = `${counted(rule.servedOpenCount, 'connection')} left`;
    return [
      wrapped(
        `Port rule ${described(rule)} drains here until ${timeText(rule.drainEndsAt)}, then it is disabled: ${left}`,
      ),
    ];
  });
  return lines.length === 0 ? '' : `\n${lines.join('')}`;
}

/** And who they are. */
export function drainText({ drain }: ClusterStatus): string {
  if (drain === null) return '';
  const { enteredCount, handedHereCount, oldest } = drain;
  const until = drain.endsAt === null ? '' : `, until ${timeText(drain.endsAt)} at most`;
  const count = leftCount(drain);
  const left =
    count === null
      ? 'Envoy does not say how many connections are left'
      : `${count} left, ${enteredCount} entered here, ${handedHereCount} handed here by other hosts`;
  const head = wrapped(`Draining since ${timeText(drain.since)}${until}: ${left}`);
  if (oldest.length === 0) return `\n${head}`;
  const rows = oldest.map(({ client, clientPort, port, rule, seenForS }) => [
    client.includes(':') ? `[${client}]:${clientPort}` : `${client}:${clientPort}`,
    rule ?? '-',
    String(port),
    `${spanText(seenForS)}`,
  ]);
  const more = Math.max(0, (enteredCount ?? 0) - oldest.length);
  const rest = more === 0 ? '' : `  and ${more} more that entered here\n`;
  return `\n${head}${table(['CLIENT', 'RULE', 'PORT', 'SEEN FOR'], rows)}${rest}`;
}

function leftCount({ enteredCount, handedHereCount }: DrainStatus): number | null {
  return enteredCount === null || handedHereCount === null ? null : enteredCount + handedHereCount;
}

/** `34 s`, `12 min`, `3 h 20 min`. */
function spanText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
