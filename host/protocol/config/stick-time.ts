/** Times as people write them in the cluster file: `90s`, `30m`, `4h`. */
import type { Milliseconds, PortRule } from '../types.js';

const UNITS_MS: Record<string, Milliseconds> = { s: 1000, m: 60_000, h: 3_600_000 };
const STICK_MAX_MS = 24 * 3_600_000;

/** Null for what is no time from 1 s to 24 h. */
export function parseStickTime(text: string): Milliseconds | null {
  const [, number, unit = ''] = /^([1-9][0-9]{0,5})([smh])$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS_MS[unit] ?? Number.NaN);
  return ms <= STICK_MAX_MS ? ms : null;
}

/** `immediate` is 0; null for what is neither that nor `never`, nor `slowly` and a time. */
export function parseFailback(text: string): Milliseconds | 'never' | null {
  if (text === 'immediate') return 0;
  if (text === 'never') return text;
  return text.startsWith('slowly ') ? parseStickTime(text.slice('slowly '.length)) : null;
}

/** As it is written in the cluster file. */
export function failbackText({ failback, failbackMs }: PortRule): string {
  return failback ?? (failbackMs === undefined ? 'immediate' : `slowly ${stickTimeText(failbackMs)}`);
}

/** The shortest way to write it. */
export function stickTimeText(ms: Milliseconds): string {
  if (ms % UNITS_MS.h! === 0) return `${ms / UNITS_MS.h!}h`;
  return ms % UNITS_MS.m! === 0 ? `${ms / UNITS_MS.m!}m` : `${ms / 1000}s`;
}
