/** What the log says when a drain ended by itself. */
export function drainEndText(leftCount: number | null): string {
  if (leftCount === 0) return 'the drain is over: no connection is open any more';
  const left = leftCount === null ? 'what is open' : `${leftCount} open connection${leftCount === 1 ? '' : 's'}`;
  return `the drain took as long as it may: ${left} end with Envoy`;
}
