/**
 * `nlb key rotate` in the sidecar that was asked: brings each step (steps.ts) to all hosts and begins the next one when all
 * have said that it is in force. Where it ends early, the hosts go on with two keys, and asking again goes on from there.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VerbAnswer } from '../admin/api.js';
import type { HostConfig, HostName, Milliseconds } from '../protocol/types.js';
import type { HeldKeys, KeyState, SentKey } from './held-keys.js';
import { type HostKeys, nextStep, type Step, stepBack } from './steps.js';

export interface RotationOptions {
  self: HostName;
  held: HeldKeys;
  /** By ascending host priority. */
  hosts(): readonly HostConfig[];
  /** What was sealed with the old key is on its way for so long at most. */
  settleMs(): Milliseconds;
  /** @throws HostSilent */
  ask<T>(host: HostName, path: string, body?: unknown): Promise<T>;
}

export interface KeyOrder {
  /** Names or host priorities of hosts that are left behind. */
  without: readonly string[];
  /** Takes back a change that nobody seals with yet. */
  back: boolean;
}

type Change = Extract<Step, { hosts: readonly string[] }>;

/** Begin, add, promote, forget, each at most once more after a host that was restarted in between. */
const STEPS_MAX = 8;

/** Ends the change with a sentence. */
class Stopped extends Error {}

export class Rotation {
  private isBusy = false;

  constructor(private readonly options: RotationOptions) {}

  async carryOut(order: KeyOrder): Promise<VerbAnswer> {
    if (this.isBusy) return { ok: false, text: 'this host is at a change of the cluster key already' };
    this.isBusy = true;
    try {
      return { ok: true, text: await this.changed(order) };
    } catch (error) {
      if (error instanceof Stopped) return { ok: false, text: error.message };
      throw error;
    } finally {
      this.isBusy = false;
    }
  }

  private async changed(order: KeyOrder): Promise<string> {
    const { hosts, left } = this.chosen(order.without);
    const behind = left.length === 0 ? '' : `. ${this.wayIn(left)}`;
    const before = await this.statesOf(hosts);
    if (order.back) return this.takeBack(before);
    let id: number | null = null;
    let fresh: SentKey | null = null;
    for (let count = 0; count < STEPS_MAX; count++) {
      const step = nextStep(count === 0 ? before : await this.statesOf(hosts));
      if (step.kind === 'contradiction') throw new Stopped(`Cannot change the cluster key: ${step.text}`);
      if (step.kind !== 'begin') {
        id = step.kind === 'forget' ? id : step.key.id;
        await this.bring(step, fresh);
        continue;
      }
      if (count > 0) {
        const which = id === null ? 'The old key is forgotten' : `Key ${id} is the cluster key`;
        return `${which} on ${hosts.join(', ')}${behind}`;
      }
      fresh = { id: step.id, hex: randomBytes(32).toString('hex') };
      await this.addFresh(hosts, fresh);
    }
    throw new Stopped(`The hosts' keys change while they are being changed; look at nlb key list and ask again`);
  }

  private async takeBack(states: readonly HostKeys[]): Promise<string> {
    const step = stepBack(states) as Change | null;
    if (step === null) {
      throw new Stopped(
        'There is nothing to take back: no key is only added yet (nlb key list; nlb key rotate goes on)',
      );
    }
    await this.bring(step, null);
    return `Key ${step.key.id} is taken back: ${step.hosts.join(', ')} forgot it`;
  }

  /** The first host is asked alone: of two changes at a time one gets it, and the other has changed nothing. */
  private async addFresh(hosts: readonly HostName[], key: SentKey): Promise<void> {
    for (const host of hosts) await this.order(host, 'add', { key }, `add key ${key.id}`);
  }

  private async bring(step: Change, fresh: SentKey | null): Promise<void> {
    const { kind, key, hosts } = step as Change & { kind: 'add' | 'promote' | 'forget' };
    // Packets and handshakes that were begun with the old key are through by then.
    if (kind === 'forget') await sleep(this.options.settleMs());
    const sent = kind === 'add' ? (this.options.held.sent(key.fingerprint) ?? fresh) : null;
    if (kind === 'add' && sent === null) {
      throw new Stopped(
        `A change to key ${key.id} was begun elsewhere and this host does not have that key: ask a host that has it (nlb key list shows which, nlb key rotate --host NAME), or take it back (nlb key rotate --back)`,
      );
    }
    const body = sent === null ? { fingerprint: key.fingerprint } : { key: sent };
    for (const host of hosts) await this.order(host, kind, body, `${kind} key ${key.id}`);
  }

  private async order(host: HostName, kind: string, body: Record<string, unknown>, what: string): Promise<void> {
    let answer: VerbAnswer;
    try {
      answer = await this.at<VerbAnswer>(host, kind, body);
    } catch (error) {
      answer = { ok: false, text: (error as Error).message };
    }
    if (answer.ok) return;
    throw new Stopped(
      `Host ${host} could not ${what}: ${answer.text}. All hosts understand each other as they are; nlb key rotate goes on from there, nlb key list shows where each is`,
    );
  }

  private async statesOf(hosts: readonly HostName[]): Promise<KeyState[]> {
    const states = await Promise.all(
      hosts.map((host) => this.at<KeyState>(host, 'state').catch((error: Error) => error)),
    );
    const silent = states.find((state) => state instanceof Error);
    if (silent === undefined) return states as KeyState[];
    const at = hosts[states.indexOf(silent)]!;
    throw new Stopped(
      `Cannot change the cluster key: ${(silent as Error).message}. Every host has to take part; --without ${at} leaves it behind, and then the key file has to be copied to it`,
    );
  }

  private async at<T>(host: HostName, kind: string, body?: Record<string, unknown>): Promise<T> {
    const { self, held, ask } = this.options;
    if (host === self) return (await answerKeys(held, kind, body ?? null)) as T;
    return ask<T>(host, `/keys/${kind}`, body);
  }

  private chosen(without: readonly string[]): { hosts: HostName[]; left: HostName[] } {
    const all = this.options.hosts();
    const left = without.map((wanted) => {
      const host = all.find(({ name, priority }) => name === wanted || String(priority) === wanted);
      if (host !== undefined) return host.name;
      const names = all.map(({ name }) => name).join(', ');
      throw new Stopped(`There is no host ${wanted} in the cluster, expected one of ${names}`);
    });
    if (left.includes(this.options.self)) throw new Stopped('This host cannot be left behind: ask another one');
    return { hosts: all.map(({ name }) => name).filter((name) => !left.includes(name)), left };
  }

  private wayIn(left: readonly HostName[]): string {
    const { path } = this.options.held.state();
    return `${left.join(', ')} was left behind: copy ${path} of ${this.options.self} to it (scp -p; mode 0600); its sidecar reads it by itself`;
  }
}

/** What hosts order of each other under `/keys/KIND`; null for what is not known. */
export async function answerKeys(held: HeldKeys, kind: string, body: unknown): Promise<VerbAnswer | KeyState | null> {
  const { key, fingerprint } = (body ?? {}) as { key?: SentKey; fingerprint?: unknown };
  if (kind === 'state') return held.state();
  if (kind === 'add') return held.add({ id: Number(key?.id), hex: String(key?.hex) });
  if (kind === 'promote') return held.promote(String(fingerprint));
  if (kind === 'forget') return held.forget(String(fingerprint));
  return null;
}
