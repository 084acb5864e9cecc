/** What `state.json` holds: the protocol's durable state, and what the administrator last wanted of this host. */
import { EdgeError } from './edge/edge-error.js';
import type { StateDirectory } from './edge/state-directory.js';
import { type DurableState, emptyDurable } from './protocol/events.js';
import type { HostState } from './protocol/types.js';
import type { SavedControls } from './rule-controls.js';

const FORMAT = 1;

export interface SavedState {
  format: typeof FORMAT;
  /** Survives restarts and reboots: who took a host out finds it out. */
  hostState: HostState;
  /** The start of the machine in which it was saved; null where that is not known. */
  bootId: string | null;
  ruleControls: SavedControls;
  /** ISO 8601: what is open then is ended; null outside of a drain, and for one that may take for ever. */
  drainUntil: string | null;
  /** The same of port rules that drain for so long at most. */
  ruleDrainsUntil: Record<string, string>;
  protocol: DurableState;
}

const WITHOUT_CONTROLS = { bootId: null, ruleControls: {}, drainUntil: null, ruleDrainsUntil: {} };

/** @throws EdgeError STATE_UNREADABLE for another format: never taken for an empty one, which would forget view numbers */
export function savedState(saved: unknown, path: string): SavedState {
  if (saved === null) return { ...WITHOUT_CONTROLS, format: FORMAT, hostState: 'started', protocol: emptyDurable() };
  const state = saved as Partial<SavedState>;
  if (state.format === FORMAT && state.protocol && state.hostState) {
    // A sidecar that did not know of all these yet: its numbers still count (R3).
    return { ...WITHOUT_CONTROLS, ...(state as SavedState), protocol: { ...emptyDurable(), ...state.protocol } };
  }
  const text = `Cannot go on from ${path}: its format is ${JSON.stringify(state.format)}, expected ${FORMAT}. Remove it to start this host afresh`;
  throw new EdgeError('STATE_UNREADABLE', text);
}

/** Keeps the state on disk and knows what of it is there: a view number that is not must not be confirmed to anybody (R3). */
export class StateKeeper {
  private numberOnDisk: number;
  private isSaved = true;
  private problem: string | null = null;
  private saving: Promise<void> = Promise.resolve();

  /** @param say  told what is wrong after each save, or null */
  constructor(
    private readonly directory: Pick<StateDirectory, 'save'>,
    private state: SavedState,
    private readonly say: (problem: string | null) => void,
  ) {
    this.numberOnDisk = state.protocol.highestNumber;
  }

  /** False while every packet would confirm a view number that a restart forgets. */
  get mayConfirm(): boolean {
    return this.state.protocol.highestNumber <= this.numberOnDisk;
  }

  /** A full disk does not stop a host that serves, so this never rejects; what was not saved waits for saveAgain(). */
  keep(change: Partial<SavedState>): Promise<void> {
    this.state = { ...this.state, ...change };
    this.saving = this.save();
    return this.saving;
  }

  /** Resolves when all that is kept so far is on disk, or has found no room there. @returns what is wrong then, or null */
  async saved(): Promise<string | null> {
    await this.saving;
    return this.problem;
  }

  async saveAgain(): Promise<void> {
    if (!this.isSaved) await this.keep({});
  }

  private async save(): Promise<void> {
    const { highestNumber } = this.state.protocol;
    try {
      await this.directory.save(this.state);
      this.numberOnDisk = Math.max(this.numberOnDisk, highestNumber);
      this.isSaved = true;
      this.problem = null;
      this.say(null);
    } catch (error) {
      this.isSaved = false;
      const text = (error as Error).message;
      this.problem = text;
      const less = `; until view number ${highestNumber} is saved this host sends no heartbeats and confirms nothing`;
      this.say(this.mayConfirm ? text : text + less);
    }
  }
}
