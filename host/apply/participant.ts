/**
 * One host's part in a change of the cluster file:
 *
 *     none ──prepare──> prepared ──commit──> offered ──in force everywhere──> none, the file on disk is the new one
 *                          │                    │
 *                          └──abort, 10 s───────┴──abort, 15 s──> none, as before
 *
 * `prepared` is a promise to this one change, and another one is refused meanwhile. A host whose asker fell silent looks
 * whether any other host was told to go on, and does as they do: the asker says so only when all have promised.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { VerbAnswer } from '../admin/api.js';
import type { ClusterFile, Fingerprint, HostName, Milliseconds } from '../protocol/types.js';
import type { ApplyHost, ApplyState } from './apply-host.js';
import { unfitFor } from './fit.js';
import { openRevision, type Revision } from './revision.js';

const PREPARED_MAX_MS = 10_000;
/** A commit follows within milliseconds; after this a prepared host asks around. */
const ASK_AROUND_AFTER_MS = 1500;
const OFFERED_MAX_MS = 15_000;
const SETTLED_MAX_MS = 1000;
const LOOK_EVERY_MS = 5;

interface Pending {
  kind: 'prepared' | 'offered';
  revision: Revision;
  file: ClusterFile;
  sinceMs: Milliseconds;
}

export interface ParticipantOptions {
  host: ApplyHost;
  /** Keeps what is about to be offered over a crash. @throws Error where it cannot */
  keepOffered(revision: Revision): Promise<void>;
  /** The revision is in force here: keep it, write the file. */
  onInForce(revision: Revision): void;
  /** The revision in force waits to be confirmed. */
  isUnconfirmed(): boolean;
}

export class Participant {
  private pending: Pending | null = null;
  private isAskingAround = false;

  constructor(private readonly options: ParticipantOptions) {}

  /**
   * Checks a revision whole, for this host, and promises it.
   *
   * @param value  SealedRevision, as it came
   * @param base   fingerprint of the file that it is a change of
   * @param trial  checks only and promises nothing
   */
  async prepare(value: unknown, base: Fingerprint, trial: boolean): Promise<VerbAnswer> {
    const { host } = this.options;
    this.look();
    try {
      const revision = openRevision(value, host.clusterName, host.keys());
      const file = await this.checked(revision, base);
      // Again, as the checks took their time.
      this.refuseOther(revision);
      if (!trial) this.pending = { kind: 'prepared', revision, file, sinceMs: host.nowMs() };
      return { ok: true, text: `host ${host.self} can take revision ${revision.revision}` };
    } catch (error) {
      return { ok: false, text: (error as Error).message };
    }
  }

  /** All have promised: it is offered, and comes in force with all of them. */
  async commit(number: number, fingerprint: Fingerprint): Promise<VerbAnswer> {
    const { host } = this.options;
    if (this.inForce(number, fingerprint)) return { ok: true, text: `revision ${number} is in force` };
    const { pending } = this;
    if (!isOf(pending, number, fingerprint)) {
      return { ok: false, text: `revision ${number} is not prepared here (any more)` };
    }
    try {
      await this.offer(pending!.revision, pending!.file, () => this.pending === pending);
    } catch (error) {
      return { ok: false, text: (error as Error).message };
    }
    return { ok: true, text: `host ${host.self} offers revision ${number}` };
  }

  abort(number: number, fingerprint: Fingerprint): VerbAnswer {
    const { pending } = this;
    if (isOf(pending, number, fingerprint)) this.giveUp('whoever brought it took it back');
    return { ok: true, text: `revision ${number} is not pending here` };
  }

  /** A revision that others have in force already, or that takes one back: no promise is needed. @throws Error */
  async adopt(revision: Revision): Promise<void> {
    const { file, fingerprint } = this.options.host.parse(revision.text);
    if (fingerprint !== revision.fingerprint) throw new Error(otherFingerprint(revision, fingerprint));
    const reason = this.unfit(file);
    if (reason !== null) throw new Error(reason);
    await this.options.host.refusePortsTakenFor(file);
    await this.offer(revision, file);
  }

  /**
   * The state as soon as the outcome of that revision is seen: Envoy has it in force or refuses it. Or what there is after a
   * second, so that whoever asks need not ask all the time.
   */
  async settled(number: number, fingerprint: Fingerprint): Promise<ApplyState> {
    const untilMs = this.options.host.nowMs() + SETTLED_MAX_MS;
    for (;;) {
      const state = this.state();
      const isInForce = state.revision === number && state.fingerprint === fingerprint;
      const isOver = isInForce && (state.isTaken || state.refusal !== null);
      if (isOver || this.options.host.nowMs() >= untilMs) return state;
      await sleep(LOOK_EVERY_MS);
    }
  }

  state(): ApplyState {
    const { host } = this.options;
    const { file, taken } = host.protocol();
    const { pending } = this;
    return {
      host: host.self,
      revision: file.revision,
      fingerprint: file.fingerprint,
      isTaken: taken,
      refusal: host.envoyRefusal(),
      pending: pending && {
        revision: pending.revision.revision,
        fingerprint: pending.revision.fingerprint,
        isOffered: pending.kind === 'offered',
      },
      isUnconfirmed: this.options.isUnconfirmed(),
    };
  }

  /** Who brings which revision here at the moment, as a part of a sentence; null where nobody does. */
  get busyWith(): string | null {
    if (this.pending === null) return null;
    const { revision, by, at } = this.pending.revision;
    return `revision ${revision} is being brought by ${by} since ${at}`;
  }

  /** The number that is offered here, 0 for none. */
  get offeredRevision(): number {
    return this.pending?.kind === 'offered' ? this.pending.revision.revision : 0;
  }

  /** To be called now and then, and when a file came in force. */
  look(): void {
    const { pending } = this;
    if (pending === null) return;
    const { revision, fingerprint } = pending.revision;
    if (this.inForce(revision, fingerprint)) {
      this.pending = null;
      this.options.onInForce(pending.revision);
      return;
    }
    const ageMs = this.options.host.nowMs() - pending.sinceMs;
    if (pending.kind === 'offered') {
      if (ageMs > OFFERED_MAX_MS) this.giveUp(`it did not come in force within ${OFFERED_MAX_MS / 1000} s`);
    } else if (ageMs > PREPARED_MAX_MS) {
      this.giveUp(`nobody said to go on within ${PREPARED_MAX_MS / 1000} s`);
    } else if (ageMs > ASK_AROUND_AFTER_MS) {
      void this.askAround(pending);
    }
  }

  private async checked(revision: Revision, base: Fingerprint): Promise<ClusterFile> {
    const { host } = this.options;
    this.refuseOther(revision);
    const { file, fingerprint } = host.parse(revision.text);
    if (fingerprint !== revision.fingerprint) throw new Error(otherFingerprint(revision, fingerprint));
    const { file: now } = host.protocol();
    if (now.fingerprint !== base) throw new Error(`its file is ${now.fingerprint}, this is a change of ${base}`);
    if (now.revision >= revision.revision) throw new Error(`it has revision ${now.revision} already`);
    if (now.offered !== null && now.offered !== fingerprint) {
      throw new Error(
        `it offers the file ${now.offered}, put there by hand: put the old one back there and nlb reload, or this one`,
      );
    }
    const reason = this.unfit(file);
    if (reason !== null) throw new Error(reason);
    await host.refusePortsTakenFor(file);
    return file;
  }

  private unfit(file: ClusterFile): string | null {
    const current = this.options.host.current();
    return current === null ? 'it has no view yet' : unfitFor(current.file, file, this.options.host.self);
  }

  private refuseOther(revision: Revision): void {
    const { pending } = this;
    if (pending === null || isOf(pending, revision.revision, revision.fingerprint)) return;
    throw new Error(`${this.busyWith}; try again when that is done`);
  }

  /** @param isWanted  asked again once it is kept: it may have been taken back meanwhile, or told on by another host too */
  private async offer(revision: Revision, file: ClusterFile, isWanted = () => true): Promise<void> {
    const { host } = this.options;
    await this.options.keepOffered(revision);
    if (!isWanted()) {
      if (isOf(this.pending, revision.revision, revision.fingerprint)) return;
      if (this.inForce(revision.revision, revision.fingerprint)) return;
      throw new Error(`revision ${revision.revision} was taken back meanwhile`);
    }
    this.pending = { kind: 'offered', revision, file, sinceMs: host.nowMs() };
    const { fingerprint, revision: number, without } = revision;
    host.offer({ file, fingerprint, revision: number, without });
    host.log.info(`revision ${number} of the cluster file (${revision.cause}, ${revision.by}) is offered`);
  }

  private giveUp(why: string): void {
    const { pending } = this;
    if (pending === null) return;
    const { revision, fingerprint } = pending.revision;
    this.pending = null;
    if (pending.kind === 'offered') this.options.host.withdraw(fingerprint);
    this.options.host.log.warning(`revision ${revision} of the cluster file is not taken: ${why}`);
  }

  private inForce(number: number, fingerprint: Fingerprint): boolean {
    const { inForce, file } = this.options.host.protocol();
    return inForce?.view.fingerprint === fingerprint && file.fingerprint === fingerprint && file.revision === number;
  }

  private async askAround(pending: Pending): Promise<void> {
    if (this.isAskingAround) return;
    this.isAskingAround = true;
    const { host } = this.options;
    const { revision, fingerprint } = pending.revision;
    const others = (host.current()?.file.hosts ?? []).map(({ name }) => name).filter((name) => name !== host.self);
    const states = await Promise.all(others.map((name) => this.stateOf(name)));
    this.isAskingAround = false;
    const toldOn = states.find(
      (state) =>
        (state?.revision === revision && state.fingerprint === fingerprint) ||
        (state?.pending?.isOffered === true && state.pending.fingerprint === fingerprint),
    );
    if (toldOn == null || this.pending !== pending) return;
    host.log.info(`whoever brought revision ${revision} fell silent; host ${toldOn.host} was told to go on`);
    await this.commit(revision, fingerprint);
  }

  private stateOf(name: HostName): Promise<ApplyState | null> {
    return this.options.host.ask<ApplyState>(name, '/apply/state').catch(() => null);
  }
}

function isOf(pending: Pending | null, number: number, fingerprint: Fingerprint): boolean {
  return pending?.revision.revision === number && pending.revision.fingerprint === fingerprint;
}

function otherFingerprint({ revision, fingerprint }: Revision, own: Fingerprint): string {
  return (
    `it reads revision ${revision} as ${own}, expected ${fingerprint}: ` +
    'its release understands the file differently; upgrade it first'
  );
}
