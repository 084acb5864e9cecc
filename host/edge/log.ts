/**
 * The sidecar's log: plain lines with an ISO time on stderr, for journald and people. What happens again and again is
 * said once a minute with a count, so that a broken switch cannot fill a disk.
 *
 *     2026-11-22T21:04:19.123Z warning: host mail2 is lost: neither its sidecar nor its Envoy is heard
 *     {"time":"2026-11-22T21:04:19.123Z","level":"warning","cluster":"mail.example.org","sidecar":"mail1","cause":"hostLost",
 *      "host":"mail2","event":69,"msg":"host mail2 is lost: neither its sidecar nor its Envoy is heard"}
 */
import type { Clock } from './clock.js';

export type LogLevel = 'info' | 'warning' | 'error';

/** What programs look for; in the JSON form only, but for `todo`. */
export interface LogFields {
  /** NLB's event number (docs/events.md). */
  event?: number;
  cause?: string;
  /** Whose doing it is. */
  host?: string | null;
  /** What to do about it. */
  todo?: string;
}

export type LogForm = 'text' | 'json';

export interface Log {
  info(text: string, fields?: LogFields): void;
  warning(text: string, fields?: LogFields): void;
  error(text: string): void;
  /**
   * Says `text` now, or only counts it where the same `topic` was said within the last minute.
   *
   * @param topic  what makes two messages the same one (e.g. without the changing sequence number)
   */
  repeating(level: LogLevel, topic: string, text: string, fields?: LogFields): void;
  /** Says what was only counted so far. To be called now and then, and before the end. */
  flush(): void;
  /** From now on the JSON form says whose log it is: a collector has those of all hosts. */
  identify(cluster: string, sidecar: string): void;
}

const QUIET_MS = 60_000;
/** BOUNDED: topics kept; beyond that the oldest is said and forgotten. */
const TOPICS_MAX = 200;

interface Topic {
  saidAtMs: number;
  unsaidCount: number;
  level: LogLevel;
  text: string;
  fields: LogFields;
}

interface Line {
  time: string;
  level: LogLevel;
  text: string;
  fields: LogFields;
  whose: { cluster?: string; sidecar?: string };
  moreCount: number;
}

/** One line, with its end. */
export function logLine(form: LogForm, { time, level, text, fields, whose, moreCount }: Line): string {
  if (form === 'json') {
    const more = moreCount > 0 ? { moreCount } : {};
    return `${JSON.stringify({ time, level, ...whose, ...fields, ...more, msg: text })}\n`;
  }
  const since = moreCount > 0 ? ` (${moreCount} more since then)` : '';
  // One message is one line, whatever a foreign program put into it.
  const flat = text.replace(/\s*[\r\n]+\s*/g, ' | ');
  const todo = fields.todo === undefined ? '' : ` -> ${fields.todo}`;
  return `${time} ${level === 'info' ? '' : `${level}: `}${flat}${todo}${since}\n`;
}

export function createLog(clock: Clock, write: (line: string) => void, form: LogForm = 'text'): Log {
  const topics = new Map<string, Topic>();
  let whose: Line['whose'] = {};

  function say(level: LogLevel, text: string, fields: LogFields = {}, moreCount = 0): void {
    write(logLine(form, { time: clock.wallIso(), level, text, fields, whose, moreCount }));
  }

  function settle(topic: Topic): void {
    if (topic.unsaidCount > 0) say(topic.level, topic.text, topic.fields, topic.unsaidCount);
    topic.unsaidCount = 0;
    topic.saidAtMs = clock.nowMs();
  }

  function repeating(level: LogLevel, name: string, text: string, fields: LogFields = {}): void {
    const known = topics.get(name);
    if (known) {
      Object.assign(known, { level, text, fields, unsaidCount: known.unsaidCount + 1 });
      if (clock.nowMs() - known.saidAtMs >= QUIET_MS) settle(known);
      return;
    }
    say(level, text, fields);
    topics.set(name, { saidAtMs: clock.nowMs(), unsaidCount: 0, level, text, fields });
    if (topics.size <= TOPICS_MAX) return;
    const [oldestName, oldest] = topics.entries().next().value as [string, Topic];
    settle(oldest);
    topics.delete(oldestName);
  }

  function flush(): void {
    for (const [name, topic] of topics) {
      if (clock.nowMs() - topic.saidAtMs < QUIET_MS) continue;
      if (topic.unsaidCount > 0) settle(topic);
      else topics.delete(name);
    }
  }

  return {
    info: (text, fields) => say('info', text, fields),
    warning: (text, fields) => say('warning', text, fields),
    error: (text) => say('error', text),
    repeating,
    flush,
    identify(cluster, sidecar) {
      whose = { cluster, sidecar };
    },
  };
}
