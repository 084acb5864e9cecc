/**
 * A revision on trial: it is taken back unless somebody confirms it in time, because who brought it may have cut off the way
 * to take it back. Every host does that for itself, so it happens whoever is cut off from whom, and always to the same number:
 *
 *     N      brought with --confirm 60s
 *     N + 1  the file before N, where nobody confirmed
 *     N + 2  the file of N, confirmed: whoever did not hear of it and went back is outvoted and comes back
 */
import type { HostName, Milliseconds } from '../protocol/types.js';
import type { ApplyHost, ApplyState } from './apply-host.js';
import type { Participant } from './participant.js';
import type { Revision } from './revision.js';
import type { RevisionStore, StoredRevision } from './store.js';

export class Confirming {
  /** When the revision on trial came in force here, or this sidecar started with it; null where there is none. */
  private sinceMs: Milliseconds | null = null;
  private isDeciding = false;

  constructor(
    private readonly host: ApplyHost,
    private readonly participant: Participant,
    private readonly store: RevisionStore,
  ) {}

  /** The revision on trial; null where there is none. */
  get onTrial(): StoredRevision | null {
    const { newest } = this.store;
    const { file } = this.host.protocol();
    if (newest === null || newest.isConfirmed || newest.fingerprint !== file.fingerprint) return null;
    return newest.revision === file.revision ? newest : null;
  }

  /** @returns what it is from now on; the others are to be told. Null where nothing is on trial */
  confirmed(by: string): Revision | null {
    const { onTrial } = this;
    if (onTrial === null) return null;
    const { revision, fingerprint, text } = onTrial;
    const at = this.host.wallIso();
    return { revision: revision + 2, fingerprint, text, cause: onTrial.cause, by, at, without: [], confirmMs: null };
  }

  /** To be called now and then. */
  look(): void {
    const { onTrial } = this;
    if (onTrial === null) {
      this.sinceMs = null;
      return;
    }
    this.sinceMs ??= this.host.nowMs();
    const isDue = this.host.nowMs() - this.sinceMs >= (onTrial.confirmMs ?? 0);
    if (!isDue || this.isDeciding || this.participant.offeredRevision > onTrial.revision) return;
    this.isDeciding = true;
    void this.decide(onTrial).finally(() => {
      this.isDeciding = false;
    });
  }

  private async decide(onTrial: StoredRevision): Promise<void> {
    const names = this.host.current()?.file.hosts.map(({ name }) => name) ?? [];
    const others = names.filter((name) => name !== this.host.self);
    const states = await Promise.all(others.map((name) => this.stateOf(name)));
    // It comes with the file of a higher revision, which is fetched.
    if (states.some((state) => state !== null && state.revision > onTrial.revision + 1)) return;
    const before = this.store.all.filter(({ fingerprint }) => fingerprint !== onTrial.fingerprint).at(-1);
    const { log } = this.host;
    if (before === undefined) {
      log.repeating(
        'error',
        'confirm',
        'Nobody confirmed the revision in force, and the file before is not known here',
      );
      return;
    }
    const { revision, without } = onTrial;
    const cause = `revision ${revision} was not confirmed within ${(onTrial.confirmMs ?? 0) / 1000} s`;
    log.warning(`${cause}: the file before comes back as revision ${revision + 1}`);
    const { fingerprint, text } = before;
    const by = `the cluster, as asked by ${onTrial.by}`;
    const back = {
      revision: revision + 1,
      fingerprint,
      text,
      cause,
      by,
      at: this.host.wallIso(),
      without,
      confirmMs: null,
    };
    await this.participant.adopt(back).catch((error: Error) => {
      log.repeating('error', 'take back', `Cannot take back revision ${revision}: ${error.message}`);
    });
  }

  private stateOf(name: HostName): Promise<ApplyState | null> {
    return this.host.ask<ApplyState>(name, '/apply/state').catch(() => null);
  }
}
