/** Times as people write them: `02:14`, `2026-11-22 02:14:30`, `2026-11-22T02:14:00Z`, or how long ago: `20m`. */
import { CliError, EXIT } from './exit-codes.js';

const UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const DAY_MS = UNITS_MS.d;

/** `60s`, `5m`, `2h` in milliseconds; null where the option was not given. @throws CliError usage */
export function durationArgument(option: string, text: string | null): number | null {
  if (text === null) return null;
  const match = /^([1-9][0-9]{0,4})([smh])$/.exec(text);
  if (match === null) throw new CliError(EXIT.usage, `--${option} is ${text}, expected a time such as 60s, 5m or 2h`);
  return Number(match[1]) * UNITS_MS[match[2] as 's' | 'm' | 'h'];
}

/**
 * ISO 8601. Without a zone it is local time; without a day the last time it was that late.
 *
 * @throws CliError usage
 */
export function timeArgument(option: string, text: string, now: Date): string {
  const ago = /^([0-9]{1,6})([smhd])$/.exec(text);
  if (ago !== null) {
    return new Date(now.getTime() - Number(ago[1]) * UNITS_MS[ago[2] as keyof typeof UNITS_MS]).toISOString();
  }
  const clock = /^([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?$/.exec(text);
  if (clock !== null) {
    const time = new Date(now);
    time.setHours(Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0), 0);
    const isLawful = Number(clock[1]) < 24 && Number(clock[2]) < 60;
    if (isLawful) return new Date(time > now ? time.getTime() - DAY_MS : time.getTime()).toISOString();
  }
  const isDate = /^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}/.test(text);
  const time = isDate ? Date.parse(text.replace(' ', 'T')) : NaN;
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  const expected = '02:14, 2026-11-22 02:14, or how long ago such as 20m, 1h or 3d';
  throw new CliError(EXIT.usage, `--${option} is ${text}, expected ${expected}`);
}
