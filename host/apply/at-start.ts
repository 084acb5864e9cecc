/** What a sidecar starts with where it ended in the midst of a change of the cluster file. */
import type { Log } from '../edge/log.js';
import type { DurableState } from '../protocol/events.js';
import type { ClusterFile, Fingerprint } from '../protocol/types.js';
import { readAtStart } from './fit.js';
import type { RevisionStore } from './store.js';

interface StartFile {
  file: ClusterFile;
  fingerprint: Fingerprint;
}

/**
 * The file to start with: the one on the disk, unless a revision came in force here and was not written there yet. That one
 * is no file that somebody put there by hand, and must not be offered as such.
 */
export async function fileAtStart(store: RevisionStore, durable: DurableState, onDisk: StartFile): Promise<StartFile> {
  const { inForce } = durable;
  const { offered } = store;
  const isInForce = offered?.fingerprint === inForce?.view.fingerprint && offered?.revision === durable.revision;
  if (offered !== null && isInForce && store.newest?.revision !== offered.revision) await store.add(offered, false);
  await store.forgetOffered();
  if (inForce === null || store.newest?.isWritten !== false) return onDisk;
  const before = store.all.at(-2)?.fingerprint;
  const isStale = store.newest.fingerprint === inForce.view.fingerprint && onDisk.fingerprint === before;
  return isStale ? { file: inForce.file, fingerprint: inForce.view.fingerprint } : onDisk;
}

/**
 * What this host goes on with. Where something that is opened once is another in the file on the disk, it begins anew with that,
 * without the view of before, as the others do when they are started with the same file.
 */
export function durableAtStart(
  durable: DurableState,
  onDisk: { file: ClusterFile; filePath: string; log: Log },
): DurableState {
  const { file, filePath, log } = onDisk;
  const why = durable.inForce === null ? null : readAtStart(durable.inForce.file, file);
  if (why === null) return durable;
  log.info(`${why}: this host begins anew with ${filePath}, and agrees with hosts that were started with the same`);
  return { ...durable, inForce: null };
}
