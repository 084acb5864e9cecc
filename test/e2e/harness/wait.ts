/** Waiting for conditions. Times here only bound a hang; no test passes or fails by how long something took. */

const POLL_MS = 10;

/**
 * The first answer that is neither null nor undefined nor false.
 *
 * @throws Error `waited 60000 ms in vain for: ...`, with the last error where the question itself failed
 */
export async function waitFor<T>(
  what: string,
  ask: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  boundMs = 60_000,
): Promise<T> {
  const startedMs = performance.now();
  let lastError: unknown = null;
  while (performance.now() - startedMs < boundMs) {
    try {
      const answer = await ask();
      if (answer !== null && answer !== undefined && answer !== false) return answer;
    } catch (error) {
      lastError = error;
    }
    await sleep(POLL_MS);
  }
  throw new Error(`waited ${boundMs} ms in vain for: ${what}${lastError ? ` (${String(lastError)})` : ''}`);
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
