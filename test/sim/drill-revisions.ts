/**
 * R8, what a config revision is for: whoever has the higher one wins over any number of hosts with a lower one; who is left
 * behind is not waited for; a lower one is no news; and the way back is a higher one.
 */
import { bring } from './apply.js';
import { fail } from './checkers.js';
import type { Cluster, SimHost, SimRevision } from './cluster.js';
import { unnoticed } from './drill.js';
import { variantOf } from './files.js';
import { wholeWithinMs } from './liveness.js';

export function revises(cluster: Cluster, group: SimHost[], periodMs: number): void {
  const isOneFile = cluster.all.every(({ onDisk }) => onDisk.fingerprint === group[0]!.onDisk.fingerprint);
  if (!isOneFile || group.length < cluster.all.length) return;
  const before = group[0]!.state!.known;
  // By size and by priority all the others would win.
  const one = group.at(-1)!;
  const others = group.slice(0, -1);
  const next: SimRevision = {
    ...variantOf(before.file, 1002),
    revision: before.revision + 1,
    without: others.map(({ name }) => name),
  };
  cluster.fetchesMissed = false;
  bring(cluster, one, next);
  comesInForce(cluster, [one], next, periodMs);
  cluster.run(periodMs * 2);
  const wrong = group.find(({ state }) => (state!.side.outside === null) !== (state === one.state));
  if (wrong !== undefined) fail(cluster, `${wrong.name} is on the wrong side: ${one.name} has the higher revision`);
  unnoticed(cluster, group, `revision ${before.revision} was offered again`, () => {
    bring(cluster, one, { ...variantOf(before.file, 1003), revision: before.revision, without: next.without });
    cluster.run(periodMs * 3);
  });
  cluster.fetchesMissed = true;
  comesInForce(cluster, group, next, periodMs);
  cluster.run(periodMs * 3);
  const back: SimRevision = { ...before, revision: next.revision + 1, without: [] };
  for (const host of group) cluster.after(cluster.random() * 4, () => bring(cluster, host, back));
  comesInForce(cluster, group, back, periodMs, true);
  cluster.run(periodMs);
}

/** @param together  and no host is apart from others meanwhile */
function comesInForce(
  cluster: Cluster,
  hosts: SimHost[],
  { fingerprint, revision }: SimRevision,
  periodMs: number,
  together = false,
): void {
  const until = cluster.now + wholeWithinMs(periodMs, 5);
  const isInForce = ({ state }: SimHost) =>
    state!.inForce!.view.fingerprint === fingerprint && state!.known.revision === revision;
  while (!hosts.every(isInForce)) {
    cluster.run(1);
    const out = hosts.find(({ state }) => state!.inForce!.lostSince.length > 0 || state!.side.outside !== null);
    if (together && out !== undefined) fail(cluster, `${out.name} is apart from others in a change to a revision`);
    if (cluster.now > until)
      fail(cluster, `revision ${revision} is not in force ${wholeWithinMs(periodMs, 5)} ms after it was brought`);
  }
}
