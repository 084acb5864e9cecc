import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AgainAndAgain } from '../../host/again-and-again.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Work that takes until the test says how it ends. */
function working() {
  const said: (string | null)[] = [];
  const ends: { done(): void; fail(error: Error): void }[] = [];
  const again = new AgainAndAgain({
    look: () => new Promise((done, fail) => ends.push({ done, fail })),
    sayProblem: (_topic, text) => said.push(text),
  });
  again.begin(500);
  return { again, said, ends };
}

describe('AgainAndAgain', () => {
  it('begins no turn before the one before is done, and goes on after one that failed', async () => {
    const { again, said, ends } = working();
    await vi.advanceTimersByTimeAsync(2000);
    expect(ends).toHaveLength(1);
    ends[0]!.fail(new Error('no interface'));
    await vi.advanceTimersByTimeAsync(500);
    expect([ends.length, said]).toEqual([2, ['Cannot look after this host: no interface']]);
    ends[1]!.done();
    await vi.advanceTimersByTimeAsync(0);
    expect(said.at(-1)).toBe(null);
    again.end();
  });

  it('says nothing of a turn that outlived it, and begins none', async () => {
    const { again, said, ends } = working();
    await vi.advanceTimersByTimeAsync(500);
    again.end();
    ends[0]!.fail(new Error('its directory is gone'));
    await vi.advanceTimersByTimeAsync(5000);
    expect([ends.length, said, again.isOver]).toEqual([1, [], true]);
  });
});
