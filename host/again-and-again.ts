/** How a sidecar looks after its host: one look at a time, and none is begun once it has ended. */
export interface LooksAround {
  look(): Promise<void>;
  /** Told after each look what failed in it, or null; the next one begins anew all the same. */
  sayProblem(topic: 'look', text: string | null): void;
}

export class AgainAndAgain {
  private timer: NodeJS.Timeout | null = null;
  private isLooking = false;
  private hasEnded = false;

  constructor(private readonly who: LooksAround) {}

  /** From end() on: a look that was under way then must change nothing any more. */
  get isOver(): boolean {
    return this.hasEnded;
  }

  begin(everyMs: number): void {
    this.timer = setInterval(() => void this.once(), everyMs);
  }

  end(): void {
    this.hasEnded = true;
    if (this.timer) clearInterval(this.timer);
  }

  /** One that is due while the one before still waits for something is left out. */
  private async once(): Promise<void> {
    if (this.isLooking || this.hasEnded) return;
    this.isLooking = true;
    let failure: string | null = null;
    try {
      await this.who.look();
    } catch (error) {
      failure = `Cannot look after this host: ${(error as Error).message}`;
    }
    this.isLooking = false;
    if (!this.hasEnded) this.who.sayProblem('look', failure);
  }
}
