/** A change of the cluster file that comes over remote control and changes remote control: said before it is brought. */
import type { RemoteControl } from '../protocol/types.js';

/**
 * @param url      where whoever brings it asks
 * @param confirm  of `--confirm`; null without
 * @returns        a line, or nothing where the way stays as it is
 */
export function ownWayText(
  url: URL,
  before: RemoteControl | undefined,
  after: RemoteControl | undefined,
  confirm: string | null,
): string {
  if (before === undefined || before.port === after?.port) return '';
  const over = 'remote control, over which it comes';
  const change =
    after === undefined ? `switches off ${over}` : `moves ${over}, from port ${before.port} to ${after.port}`;
  return `This change ${change}; ${whatThen(url, after, confirm)}\n`;
}

function whatThen(url: URL, after: RemoteControl | undefined, confirm: string | null): string {
  if (confirm === null) return 'with --confirm 60s it would be taken back by itself unless somebody confirms it';
  if (after === undefined) return `nlb confirm on one of the hosts keeps it, else it is taken back after ${confirm}`;
  const there = `https://${url.hostname}:${after.port}`;
  return `nlb confirm --server ${there} keeps it, else it is taken back after ${confirm}`;
}
