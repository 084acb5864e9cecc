/**
 * Brings one revision of the cluster file to all hosts, or to none:
 *
 *     1. prepare   every host checks it for itself and promises it; the host of highest priority first, so that of two
 *                  administrators one gets everybody and the other is told who was first
 *     2. commit    every host offers it: it is in force when all hosts of the view offer it, as with `nlb reload`
 *     3. wait      until every host has it in force and its Envoy took it; an Envoy that refuses takes it all back
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { VerbAnswer } from '../admin/api.js';
import type { Plan as Moves } from '../plan/plan.js';
import type { ClusterFile, Fingerprint, HostName } from '../protocol/types.js';
import type { ApplyAnswer, ApplyHost, ApplyOrder, ApplyState } from './apply-host.js';
import { differenceOf } from './difference.js';
import { drainedBy } from './drained.js';
import { noQuorum } from './fit.js';
import type { Participant } from './participant.js';
import { type Revision, sealRevision } from './revision.js';

/** Longer than an offer lives: who still waits then waits for nothing. */
const IN_FORCE_MAX_MS = 12_000;
const ASK_EVERY_MS = 25;
/** BOUNDED: in every host's list of revisions; Envoy's words may be as long as a rule is. */
const CAUSE_LENGTH_MAX = 600;

/** A refusal on the way, with its sentence. */
class Refused extends Error {}

interface Plan {
  revision: Revision;
  file: ClusterFile;
  /** What it is a change of; its text is null where it is not known here. */
  base: Fingerprint;
  baseText: string | null;
  difference: string[];
  /** Hosts that must have it; by ascending priority, this one among them. */
  hosts: HostName[];
}

/** What moves is counted beside it. */
type Outcome = Omit<ApplyAnswer, 'moves'>;

export class Coordinator {
  private isBusy = false;

  constructor(
    private readonly host: ApplyHost,
    private readonly participant: Participant,
  ) {}

  async apply(order: ApplyOrder): Promise<ApplyAnswer> {
    if (this.isBusy) return refused('this host is about to bring another change; try again when that is done');
    this.isBusy = true;
    try {
      const plan = this.planned(order);
      // Counted while the hosts look at the file.
      const [answer, moves] = await Promise.all([this.carriedOut(plan, order.isDryRun), this.movesOf(plan)]);
      return { ...answer, moves };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return refused(error.message);
    } finally {
      this.isBusy = false;
    }
  }

  private async carriedOut(plan: Plan, isDryRun: boolean): Promise<Outcome> {
    const { revision, difference, hosts } = plan;
    try {
      if (isDryRun) return await this.tried(plan);
      const startedMs = this.host.nowMs();
      await this.bring(plan);
      const tookS = ((this.host.nowMs() - startedMs) / 1000).toFixed(1);
      const inForce = `Revision ${revision.revision} is in force on ${hosts.join(', ')}, ${tookS} s after it was brought`;
      const text = inForce + leftBehind(revision) + untilConfirmed(revision);
      return { ok: true, text, revision: revision.revision, difference };
    } catch (error) {
      if (error instanceof EnvoyRefusal) return await this.takeBack(plan, error.message);
      if (!(error instanceof Refused)) throw error;
      return refusal(error.message, plan);
    }
  }

  /** What it moves is told beside; that it cannot be counted stops no change. */
  private async movesOf({ file }: Plan): Promise<Moves | null> {
    try {
      return await this.host.moves(file);
    } catch (error) {
      this.host.log.warning(`what the change moves cannot be told: ${(error as Error).message}`);
      return null;
    }
  }

  private planned(order: ApplyOrder): Plan {
    const { host } = this;
    const current = host.current();
    if (current === null) throw new Refused('There is no view yet; the hosts are still agreeing on the first');
    let next: { file: ClusterFile; fingerprint: Fingerprint };
    try {
      next = host.parse(order.text);
    } catch (error) {
      throw new Refused((error as Error).message);
    }
    const number = Math.max(current.revision, host.protocol().file.newest?.revision ?? 0) + 1;
    if (next.fingerprint === current.fingerprint) {
      throw new Refused(`The file says what is in force already (revision ${current.revision})`);
    }
    const without = order.without.map((wanted) => namedIn(current.file, wanted));
    const revision: Revision = {
      revision: number,
      fingerprint: next.fingerprint,
      text: order.text,
      cause: order.cause,
      by: order.by,
      at: host.wallIso(),
      without,
      confirmMs: order.confirmMs,
    };
    this.refuseRemoved(current.file, next.file);
    const hosts = hostsOf(current.file, next.file, without);
    if (!hosts.includes(host.self))
      throw new Refused(`This host, ${host.self}, cannot be left behind: apply it on another`);
    const tooFew = noQuorum(current.file, hosts);
    if (tooFew !== null) throw new Refused(tooFew);
    const base = current.fingerprint;
    const difference = [...differenceOf(current.file, next.file), ...drainedBy(current.file, next.file, host.self)];
    return { revision, file: next.file, base, baseText: host.textInForce(), difference, hosts };
  }

  /** One Envoy cannot do what all have in force: everybody goes back to the file before. */
  private async takeBack(plan: Plan, why: string): Promise<Outcome> {
    const { revision, base, baseText } = plan;
    const number = revision.revision;
    if (baseText === null) {
      return refusal(`${why}. Revision ${number} stays: the text of the file before is not known here`, plan);
    }
    const cause = shortened(`revision ${number} taken back: ${why}`);
    const back = { ...revision, revision: number + 1, fingerprint: base, text: baseText, cause, confirmMs: null };
    try {
      await this.bring({ ...plan, revision: back, base: revision.fingerprint });
      return refusal(`${why}. Revision ${number + 1} is the file as it was before`, plan);
    } catch (error) {
      return refusal(`${why}. It could not be taken back: ${(error as Error).message}`, plan);
    }
  }

  /** A host that is taken out and still serves would go on alone with whatever clients reach it. */
  private refuseRemoved(current: ClusterFile, next: ClusterFile): void {
    const gone = current.hosts.filter(({ name }) => !next.hosts.some((host) => host.name === name));
    const serves = new Set(['converged', 'converging', 'draining', 'sidecarSilent']);
    const { hosts } = this.host.protocol();
    const still = gone.find(({ name }) => serves.has(hosts.find((host) => host.name === name)?.state ?? 'lost'));
    if (still === undefined) return;
    throw new Refused(`Host ${still.name} is not in the file and still serves: nlb stop --host ${still.name} first`);
  }

  /** Every host checks it, and nobody promises anything. */
  private async tried(plan: Plan): Promise<Outcome> {
    const answers = await Promise.all(plan.hosts.map((name) => this.prepare(plan, name, true)));
    const failed = answers.filter((answer) => !answer.ok);
    const { revision, difference } = plan;
    if (failed.length > 0) throw new Refused(failed.map(({ text }) => text).join('\n'));
    const text = `It would be revision ${revision.revision}; ${plan.hosts.join(', ')} can take it. Nothing was changed`;
    return { ok: true, text: text + leftBehind(revision), revision: revision.revision, difference };
  }

  private async bring(plan: Plan): Promise<void> {
    const { revision, hosts } = plan;
    try {
      await this.prepareAll(plan);
      const others = hosts.filter((name) => name !== this.host.self);
      const answers = await Promise.all(others.map((name) => this.tell(name, 'commit', revision)));
      refuseIf(answers);
      // Last, so that this host offers nothing that not everybody was told.
      refuseIf([await this.participant.commit(revision.revision, revision.fingerprint)]);
      await this.waitInForce(plan);
    } catch (error) {
      if (!this.isInForceHere(revision)) await Promise.all(hosts.map((name) => this.tell(name, 'abort', revision)));
      throw error;
    }
  }

  private async prepareAll(plan: Plan): Promise<void> {
    const [first, ...rest] = plan.hosts;
    refuseIf([await this.prepare(plan, first!, false)]);
    refuseIf(await Promise.all(rest.map((name) => this.prepare(plan, name, false))));
  }

  private async prepare({ revision, base }: Plan, name: HostName, trial: boolean): Promise<VerbAnswer> {
    const { host } = this;
    const sealed = sealRevision(revision, host.clusterName, host.keys());
    if (name === host.self) return named(name, await this.participant.prepare(sealed, base, trial));
    try {
      const body = { sealed, base, trial };
      return named(name, await host.ask<VerbAnswer>(name, '/apply/prepare', body));
    } catch (error) {
      return { ok: false, text: `${(error as Error).message}; --without ${name} leaves it behind` };
    }
  }

  private async tell(name: HostName, what: 'commit' | 'abort', revision: Revision): Promise<VerbAnswer> {
    const { revision: number, fingerprint } = revision;
    if (name === this.host.self) return this.participant[what](number, fingerprint);
    try {
      return named(name, await this.host.ask<VerbAnswer>(name, `/apply/${what}`, { number, fingerprint }));
    } catch (error) {
      return { ok: false, text: (error as Error).message };
    }
  }

  private async waitInForce({ revision, hosts }: Plan): Promise<void> {
    const untilMs = this.host.nowMs() + IN_FORCE_MAX_MS;
    let waiting = hosts;
    let why = '';
    while (waiting.length > 0) {
      const states = await Promise.all(waiting.map((name) => this.settledAt(name, revision)));
      const refusing = states.find((state) => isThis(state, revision) && state?.refusal);
      if (refusing) throw new EnvoyRefusal(refusing.host, refusing.refusal!);
      waiting = waiting.filter((_, i) => !isThis(states[i] ?? null, revision) || !states[i]!.isTaken);
      if (this.host.nowMs() > untilMs) {
        why = this.host.protocol().file.detail ?? `${waiting.join(', ')} did not take it`;
        throw new Refused(`Revision ${revision.revision} is not in force after ${IN_FORCE_MAX_MS / 1000} s: ${why}`);
      }
      if (waiting.length > 0) await sleep(ASK_EVERY_MS);
    }
  }

  /** One question a host: on a busy machine, whoever asks every few milliseconds keeps the others from their work. */
  private async settledAt(name: HostName, { revision: number, fingerprint }: Revision): Promise<ApplyState | null> {
    if (name === this.host.self) return this.participant.settled(number, fingerprint);
    return this.host.ask<ApplyState>(name, '/apply/settled', { number, fingerprint }).catch(() => null);
  }

  private isInForceHere({ fingerprint }: Revision): boolean {
    return this.host.protocol().inForce?.view.fingerprint === fingerprint;
  }
}

/** It is in force, and one host's Envoy did not take it: everybody goes back. */
class EnvoyRefusal extends Error {
  constructor(
    readonly at: HostName,
    readonly reason: string,
  ) {
    super(`Host ${at} cannot put it in force: ${reason}`);
  }
}

function isThis(state: ApplyState | null, { revision, fingerprint }: Revision): boolean {
  return state?.revision === revision && state.fingerprint === fingerprint;
}

function hostsOf(current: ClusterFile, next: ClusterFile, without: readonly HostName[]): HostName[] {
  return [...current.hosts]
    .sort((a, b) => a.priority - b.priority)
    .map(({ name }) => name)
    .filter((name) => !without.includes(name) && next.hosts.some((host) => host.name === name));
}

function namedIn(file: ClusterFile, wanted: string): HostName {
  const host = file.hosts.find(({ name, priority }) => name === wanted || String(priority) === wanted);
  if (host !== undefined) return host.name;
  const names = file.hosts.map(({ name }) => name).join(', ');
  throw new Refused(`There is no host ${wanted} to leave behind, expected one of ${names}`);
}

function named(name: HostName, { ok, text }: VerbAnswer): VerbAnswer {
  return { ok, text: ok ? text : `host ${name} refuses: ${text}` };
}

function refuseIf(answers: readonly VerbAnswer[]): void {
  const failed = answers.filter((answer) => !answer.ok);
  if (failed.length > 0) throw new Refused(failed.map(({ text }) => text).join('\n'));
}

/** Before it came to a difference. */
export function refused(text: string): ApplyAnswer {
  return { ok: false, text, revision: null, difference: [], moves: null };
}

function refusal(text: string, { revision, difference }: Plan): Outcome {
  return { ok: false, text, revision: revision.revision, difference };
}

function leftBehind({ without }: Revision): string {
  return without.length === 0 ? '' : `; ${without.join(', ')} fetches it when it is back`;
}

function untilConfirmed({ confirmMs }: Revision): string {
  return confirmMs === null ? '' : `. It is taken back in ${confirmMs / 1000} s unless you say nlb confirm`;
}

function shortened(cause: string): string {
  return cause.length <= CAUSE_LENGTH_MAX ? cause : `${cause.slice(0, CAUSE_LENGTH_MAX - 4)} ...`;
}
