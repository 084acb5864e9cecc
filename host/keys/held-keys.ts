/**
 * The keys of this host while the cluster runs: taken from the key file when somebody changes it, or changed by a step of
 * `nlb key rotate`. Each is done here only when the running Envoy has it in force too.
 */
import type { VerbAnswer } from '../admin/api.js';
import { type ClusterKey, type ClusterKeys, keyFingerprint } from '../edge/key-file.js';
import type { Keyring } from '../edge/keyring.js';
import type { Log } from '../edge/log.js';
import type { HostName, Milliseconds } from '../protocol/types.js';
import type { HostKeys, KeyName } from './steps.js';

export interface HeldKeysOptions {
  self: HostName;
  keyring: Keyring;
  log: Log;
  /** Shows and accepts these everywhere: heartbeats, host channel, handoffs. @throws Error where Envoy does not take them */
  use(keys: ClusterKeys): Promise<void>;
  sayProblem(topic: string, text: string | null): void;
  nowMs(): Milliseconds;
}

/** `GET /keys`. */
export interface KeyState extends HostKeys {
  /** Where the file is, for who has to copy it. */
  path: string;
  /** Why the running Envoy, or the sidecar, does not go by the file; null where all do. */
  problem: string | null;
}

/** Sent over the host channel, whose TLS hides it. */
export interface SentKey {
  id: number;
  hex: string;
}

const KEY_BYTES = 32;
/** A change takes seconds; two keys that stay are one that somebody forgot to end. */
const TWO_KEYS_MAX_MS = 600_000;

export class HeldKeys {
  private problem: string | null = null;
  /** One change at a time. */
  private working: Promise<unknown> = Promise.resolve();
  private waitingCount = 0;
  private twoKeysSinceMs: Milliseconds | null = null;

  constructor(private readonly options: HeldKeysOptions) {}

  state(): KeyState {
    const { self, keyring } = this.options;
    return { host: self, keys: keyring.keys.valid.map(nameOf), path: keyring.path, problem: this.problem };
  }

  /** The key itself, to be brought to another host; null where it is not here. */
  sent(fingerprint: string): SentKey | null {
    const key = this.find(fingerprint);
    return key === null ? null : { id: key.id, hex: Buffer.from(key.bytes).toString('hex') };
  }

  /** To be called now and then: somebody may have changed the file. */
  look(): void {
    const { keyring, log, self } = this.options;
    this.sayTwoKeys();
    let keys: ClusterKeys | null;
    try {
      keys = keyring.look();
    } catch (error) {
      this.say(`${(error as Error).message}; the keys read before stay valid here`);
      return;
    }
    if (keys === null) {
      if (this.problem !== null && !this.isAtWork) void this.inTurn(() => this.apply(keyring.keys));
      return;
    }
    const changed = keys;
    log.info(`the key file ${keyring.path} changed: host ${self} seals with key ${keys.sealing.id} now`);
    void this.inTurn(() => this.apply(changed));
  }

  /** As second key: opens what others seal with it. */
  add(key: SentKey): Promise<VerbAnswer> {
    return this.inTurn(async () => {
      const bytes = Buffer.from(key.hex, 'hex');
      if (bytes.length !== KEY_BYTES || !Number.isInteger(key.id) || key.id < 0 || key.id > 255) {
        return no('that is no key, expected an id 0-255 and 32 bytes');
      }
      const added = { id: key.id, bytes: new Uint8Array(bytes) };
      const { sealing, valid } = this.options.keyring.keys;
      if (this.find(keyFingerprint(added)) !== null) return this.applied();
      if (valid.length > 1) return no(`it has two keys already: another change is under way (nlb key list)`);
      if (sealing.id === added.id) return no(`its key has the id ${sealing.id} too and is another one`);
      return this.replace({ sealing, valid: [sealing, added] }, `key ${added.id} is valid beside key ${sealing.id}`);
    });
  }

  /** Seals with it from now on. */
  promote(fingerprint: string): Promise<VerbAnswer> {
    return this.inTurn(async () => {
      const sealing = this.find(fingerprint);
      const { keys } = this.options.keyring;
      if (sealing === null) return no(`it has no key ${fingerprint}`);
      if (keyFingerprint(keys.sealing) === fingerprint) return this.applied();
      const others = keys.valid.filter((key) => key !== sealing);
      return this.replace({ sealing, valid: [sealing, ...others] }, `it seals with key ${sealing.id}`);
    });
  }

  /** Neither seals nor opens with it any more. */
  forget(fingerprint: string): Promise<VerbAnswer> {
    return this.inTurn(async () => {
      const { sealing, valid } = this.options.keyring.keys;
      const gone = this.find(fingerprint);
      if (gone === null) return this.applied();
      if (gone === sealing) return no(`it seals with key ${sealing.id}, which cannot be forgotten`);
      const kept = valid.filter((key) => key !== gone);
      return this.replace({ sealing, valid: kept }, `key ${gone.id} is not valid any more`);
    });
  }

  private async replace(keys: ClusterKeys, what: string): Promise<VerbAnswer> {
    const { keyring, log } = this.options;
    try {
      await keyring.replace(keys);
    } catch (error) {
      return no((error as Error).message);
    }
    log.info(`cluster key: ${what}`);
    return this.apply(keys);
  }

  /** Done already; but is it in force? */
  private applied(): Promise<VerbAnswer> {
    return this.apply(this.options.keyring.keys);
  }

  private async apply(keys: ClusterKeys): Promise<VerbAnswer> {
    try {
      await this.options.use(keys);
      this.say(null);
      return { ok: true, text: 'in force' };
    } catch (error) {
      this.say((error as Error).message);
      return no((error as Error).message);
    }
  }

  private say(problem: string | null): void {
    this.problem = problem;
    this.options.sayProblem('key', problem);
  }

  private sayTwoKeys(): void {
    const { keyring, nowMs, sayProblem } = this.options;
    const [first, second] = keyring.keys.valid;
    this.twoKeysSinceMs = second === undefined ? null : (this.twoKeysSinceMs ?? nowMs());
    const isLong = this.twoKeysSinceMs !== null && nowMs() - this.twoKeysSinceMs > TWO_KEYS_MAX_MS;
    const text = `Two cluster keys (${first!.id} and ${second?.id}) have been valid here for more than 10 min: nlb key rotate ends the change, nlb key list shows where each host is`;
    sayProblem('twoKeys', isLong ? text : null);
  }

  private find(fingerprint: string): ClusterKey | null {
    return this.options.keyring.keys.valid.find((key) => keyFingerprint(key) === fingerprint) ?? null;
  }

  private get isAtWork(): boolean {
    return this.waitingCount > 0;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.waitingCount += 1;
    const done = this.working.then(work).finally(() => {
      this.waitingCount -= 1;
    });
    this.working = done.catch(() => {});
    return done;
  }
}

function nameOf(key: ClusterKey): KeyName {
  return { id: key.id, fingerprint: keyFingerprint(key) };
}

function no(text: string): VerbAnswer {
  return { ok: false, text };
}
