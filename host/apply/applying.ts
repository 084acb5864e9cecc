/**
 * Config distribution in one sidecar: brings revisions, takes part in those that others bring, fetches what this host missed
 * and keeps the file on the disk in step. docs/decisions/0010 tells the whole of it.
 */
import type { VerbAnswer } from '../admin/api.js';
import type { Fingerprint } from '../protocol/types.js';
import type { ApplyAnswer, ApplyHost, ApplyOrder, ApplyState } from './apply-host.js';
import { Confirming } from './confirming.js';
import { Coordinator, refused } from './coordinator.js';
import type { FileOnDisk } from './file-on-disk.js';
import { Participant } from './participant.js';
import { openRevision, type Revision, type SealedRevision, sealRevision } from './revision.js';
import type { RevisionStore, StoredRevision } from './store.js';

export interface ApplyingOptions {
  host: ApplyHost;
  store: RevisionStore;
  disk: FileOnDisk;
  /** What an administrator has to mend, by topic; null when it is mended. */
  sayProblem(topic: string, text: string | null): void;
}

/** Without its text, for a list. */
export type ListedRevision = Omit<StoredRevision, 'text'> & { isInForce: boolean };

export class Applying {
  readonly participant: Participant;
  private readonly coordinator: Coordinator;
  private readonly confirming: Confirming;
  private isFetching = false;
  private isKeeping = false;
  private hasWrittenLate = false;

  constructor(private readonly options: ApplyingOptions) {
    const { host, store } = options;
    this.participant = new Participant({
      host,
      keepOffered: (revision) => store.keepOffered(revision),
      onInForce: (revision) => void this.keep(revision),
      isUnconfirmed: () => this.confirming.onTrial !== null,
    });
    this.coordinator = new Coordinator(host, this.participant);
    this.confirming = new Confirming(host, this.participant, store);
  }

  async apply(order: ApplyOrder): Promise<ApplyAnswer> {
    const { onTrial } = this.confirming;
    if (onTrial === null || order.cause !== 'applied') return this.coordinator.apply(order);
    const text = `Revision ${onTrial.revision} by ${onTrial.by} waits to be confirmed: nlb confirm or nlb rollback first`;
    return refused(text);
  }

  /** @param to  a revision's number; null for the file before the one in force */
  async rollback(to: number | null, order: Omit<ApplyOrder, 'text' | 'cause'>): Promise<ApplyAnswer> {
    const { store, host } = this.options;
    const inForce = host.current()?.fingerprint;
    const known = store.all.filter(({ revision }) => to === null || revision === to);
    const wanted = to === null ? known.filter(({ fingerprint }) => fingerprint !== inForce).at(-1) : known.at(-1);
    if (wanted !== undefined) {
      return this.apply({ ...order, text: wanted.text, cause: `rollback to revision ${wanted.revision}` });
    }
    const numbers = [...new Set(store.all.map(({ revision }) => revision))].join(', ');
    const what = to === null ? 'no other file' : `no revision ${to}`;
    const text = `This host knows ${what}; it knows revision ${numbers || 'none'} (nlb revisions)`;
    return refused(text);
  }

  /** Of the revision on trial: it stays. */
  async confirm(by: string): Promise<VerbAnswer> {
    const { host } = this.options;
    const confirmed = this.confirming.confirmed(by);
    if (confirmed === null) return { ok: false, text: 'No revision waits to be confirmed' };
    const others = host
      .current()!
      .file.hosts.map(({ name }) => name)
      .filter((name) => name !== host.self);
    const body = { sealed: sealRevision(confirmed, host.clusterName, host.keys()) };
    const answers = await Promise.all(
      others.map((name) =>
        host
          .ask<VerbAnswer>(name, '/apply/confirmed', body)
          .catch((error: Error) => ({ ok: false, text: error.message })),
      ),
    );
    await this.takeConfirmed(confirmed);
    const deaf = others.filter((_, i) => !answers[i]!.ok);
    const text = `The file in force is confirmed, as revision ${confirmed.revision}`;
    return {
      ok: true,
      text: deaf.length === 0 ? text : `${text}; ${deaf.join(', ')} did not hear of it and will fetch it`,
    };
  }

  /** Newest first. */
  revisions(): ListedRevision[] {
    const { fingerprint } = this.options.host.protocol().file;
    const all = this.options.store.all;
    return all
      .map(({ text: _text, ...rest }, i) => ({
        ...rest,
        isInForce: i === all.length - 1 && rest.fingerprint === fingerprint,
      }))
      .reverse();
  }

  /** What other hosts ask, by the last part of the path; null for what is not known. */
  async answer(what: string, body: unknown): Promise<VerbAnswer | ApplyState | SealedRevision | null> {
    const asked = (body ?? {}) as Record<string, unknown>;
    const [number, fingerprint] = [Number(asked.number), String(asked.fingerprint)];
    if (what === 'state') return this.participant.state();
    if (what === 'settled') return this.participant.settled(number, fingerprint);
    if (what === 'prepare') return this.participant.prepare(asked.sealed, String(asked.base), asked.trial === true);
    if (what === 'commit') return this.participant.commit(number, fingerprint);
    if (what === 'abort') return this.participant.abort(number, fingerprint);
    if (what === 'confirmed') return this.hearConfirmed(asked.sealed);
    if (what === 'revision') return this.inForceSealed() ?? { ok: false, text: 'its text is not known here' };
    return null;
  }

  /** To be called now and then, and when a file came in force. */
  look(): void {
    this.participant.look();
    void this.writeLate();
    this.confirming.look();
    this.keepByHand();
    this.sayEdited();
    void this.fetchMissed();
  }

  private async hearConfirmed(sealed: unknown): Promise<VerbAnswer> {
    const { host } = this.options;
    try {
      await this.takeConfirmed(openRevision(sealed, host.clusterName, host.keys()));
      return { ok: true, text: 'confirmed' };
    } catch (error) {
      return { ok: false, text: (error as Error).message };
    }
  }

  /** The file that is in force here already, under a higher number. */
  private async takeConfirmed({ revision, fingerprint, by, at }: Revision): Promise<void> {
    const { host, store } = this.options;
    const current = host.current();
    if (current?.fingerprint !== fingerprint) throw new Error('it has another file in force');
    if (store.newest?.fingerprint === fingerprint) {
      await store.renew({ revision, isConfirmed: true, confirmMs: null, by, at });
    }
    host.offer({ file: current.file, fingerprint, revision, without: [] });
  }

  /** A revision came in force here. */
  private async keep(revision: Revision): Promise<void> {
    const { store, disk, host, sayProblem } = this.options;
    const before = store.newest;
    this.isKeeping = true;
    try {
      await store.add(revision, false);
      await disk.write(revision.text, before);
      await store.renew({ isWritten: true });
      await store.forgetOffered();
      sayProblem('revision', null);
    } catch (error) {
      const text = `${(error as Error).message}; revision ${revision.revision} is in force all the same`;
      sayProblem('revision', text);
    } finally {
      this.isKeeping = false;
    }
    host.log.info(`revision ${revision.revision} of the cluster file is in force (${revision.cause}, ${revision.by})`);
  }

  /** What an earlier life had no time for. Tried once: what is wrong with the disk is said, and stays so. */
  private async writeLate(): Promise<void> {
    const { store, disk, sayProblem } = this.options;
    if (this.hasWrittenLate) return;
    this.hasWrittenLate = true;
    const { newest } = store;
    if (newest === null || newest.isWritten) return;
    try {
      await disk.write(newest.text, store.all.at(-2) ?? null);
      await store.renew({ isWritten: true });
    } catch (error) {
      sayProblem('revision', (error as Error).message);
    }
  }

  /** Whatever came in force otherwise is kept too, so that there is a way back to it. */
  private keepByHand(): void {
    const { store, disk, host } = this.options;
    const { inForce, file } = host.protocol();
    if (this.isKeeping || inForce === null || this.participant.offeredRevision > 0) return;
    const { fingerprint } = inForce.view;
    if (file.fingerprint !== fingerprint || store.newest?.fingerprint === fingerprint) return;
    const text = disk.textOf(fingerprint);
    if (text === null) return;
    const [by, at] = [`an administrator of ${host.self}`, host.wallIso()];
    const byHand: Revision = {
      revision: file.revision,
      fingerprint,
      text,
      cause: 'put there by hand',
      by,
      at,
      without: [],
      confirmMs: null,
    };
    this.isKeeping = true;
    void store
      .add(byHand, true)
      .catch((error: Error) => this.options.sayProblem('revision', error.message))
      .finally(() => {
        this.isKeeping = false;
      });
  }

  private sayEdited(): void {
    const { disk, host, store, sayProblem } = this.options;
    const { inForce, file } = host.protocol();
    if (inForce === null || this.isKeeping || this.participant.offeredRevision > 0) return;
    // A file that could not be rewritten is a problem of its own.
    const stale = store.newest?.isWritten === false ? staleFingerprint(store) : null;
    const number = file.revision > 0 ? ` (revision ${file.revision})` : '';
    sayProblem('edited', disk.edited([file.fingerprint, file.offered, stale], `${file.fingerprint}${number}`));
  }

  /** A host that was away: another one has a higher revision in force. */
  private async fetchMissed(): Promise<void> {
    const { host, sayProblem } = this.options;
    const { newest } = host.protocol().file;
    if (this.isFetching || newest === null || newest.revision <= this.participant.offeredRevision) return;
    this.isFetching = true;
    try {
      const sealed = await host.ask<SealedRevision>(newest.host, '/apply/revision');
      const revision = openRevision(sealed, host.clusterName, host.keys());
      const current = host.current();
      if (current?.fingerprint === revision.fingerprint) await this.takeConfirmed(revision);
      else await this.participant.adopt(revision);
      sayProblem('missed', null);
    } catch (error) {
      const text = `Revision ${newest.revision} of host ${newest.host} cannot be taken here: ${(error as Error).message}`;
      sayProblem('missed', text);
    } finally {
      this.isFetching = false;
    }
  }

  private inForceSealed(): SealedRevision | null {
    const { store, host } = this.options;
    const { file } = host.protocol();
    const { newest } = store;
    if (newest === null || newest.fingerprint !== file.fingerprint) return null;
    const { isConfirmed: _isConfirmed, isWritten: _isWritten, ...revision } = newest;
    return sealRevision({ ...revision, revision: file.revision }, host.clusterName, host.keys());
  }
}

function staleFingerprint(store: RevisionStore): Fingerprint | null {
  return store.all.at(-2)?.fingerprint ?? null;
}
