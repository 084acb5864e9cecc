/**
 * The order in which a cluster gets another key, so that at every moment any two hosts understand each other, wherever it
 * is interrupted:
 *
 *     A        begin      everybody seals with A
 *     A, B     add        everybody opens B as well
 *     B, A     promote    everybody seals with B
 *     B        forget     A opens nothing any more
 *
 * A step is begun when the one before is done on all hosts. What is to be done next is told by the hosts' keys alone, so
 * there is nothing else to remember and nothing that a crash could lose. Pure.
 */

/** Of one host; a key is known by its id and its fingerprint, never by itself. */
export interface HostKeys {
  host: string;
  /** One or two; the first seals. */
  keys: readonly KeyName[];
}

export interface KeyName {
  id: number;
  fingerprint: string;
}

export type Step =
  | { kind: 'begin'; id: number }
  | { kind: 'add' | 'promote' | 'forget'; key: KeyName; hosts: readonly string[] }
  | { kind: 'contradiction'; text: string };

/** Ids go round; the newer of two is the one ahead by less than half of the way. */
const IDS = 256;

/** @param hosts  of all hosts that take part, in the order in which they are asked */
export function nextStep(hosts: readonly HostKeys[]): Step {
  const all = new Map(hosts.flatMap(({ keys }) => keys).map((key) => [key.fingerprint, key]));
  const [first, second, ...more] = [...all.values()];
  if (first === undefined) return { kind: 'contradiction', text: 'no host has a key' };
  if (second === undefined) return { kind: 'begin', id: (first.id + 1) % IDS };
  if (more.length > 0 || first.id === second.id) return { kind: 'contradiction', text: differing(hosts) };
  const [older, newer] = isNewer(second, first) ? [first, second] : [second, first];
  const without = hosts.filter(({ keys }) => !has(keys, newer));
  if (without.length > 0) return { kind: 'add', key: newer, hosts: namesOf(without) };
  const behind = hosts.filter(({ keys }) => keys[0]?.fingerprint !== newer.fingerprint);
  if (behind.length > 0) return { kind: 'promote', key: newer, hosts: namesOf(behind) };
  return { kind: 'forget', key: older, hosts: namesOf(hosts.filter(({ keys }) => has(keys, older))) };
}

/** What takes a change back that nobody seals with yet; null where there is nothing to take back, or it is too late. */
export function stepBack(hosts: readonly HostKeys[]): Step | null {
  const step = nextStep(hosts);
  if (step.kind !== 'add' && step.kind !== 'promote') return null;
  const sealing = hosts.some(({ keys }) => keys[0]?.fingerprint === step.key.fingerprint);
  if (sealing) return null;
  return { kind: 'forget', key: step.key, hosts: namesOf(hosts.filter(({ keys }) => has(keys, step.key))) };
}

function isNewer(a: KeyName, b: KeyName): boolean {
  return (a.id - b.id + IDS) % IDS < IDS / 2;
}

function has(keys: readonly KeyName[], { fingerprint }: KeyName): boolean {
  return keys.some((key) => key.fingerprint === fingerprint);
}

function namesOf(hosts: readonly HostKeys[]): string[] {
  return hosts.map(({ host }) => host);
}

function differing(hosts: readonly HostKeys[]): string {
  const each = hosts.map(({ host, keys }) => `${host} has ${keysText(keys)}`);
  return `the hosts' keys do not belong to one change: ${each.join('; ')}. Copy the key file of one host to the others`;
}

/** `key 1 (1f0c...), key 2 (...)`, the sealing one first. */
export function keysText(keys: readonly KeyName[]): string {
  return keys.map(({ id, fingerprint }) => `key ${id} (${fingerprint})`).join(' and ');
}
