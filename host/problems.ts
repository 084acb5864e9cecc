/** What an administrator has to mend on this host, beside what the protocol says of the cluster. One text a topic, newest first. */
import type { Log } from './edge/log.js';
import { type OwnCause, ownLine } from './event-number.js';

export class Problems {
  /** BOUNDED by its topics, which are few and fixed. */
  private readonly byTopic = new Map<string, { since: string; text: string }>();

  constructor(private readonly wallIso: () => string) {}

  /** @param text  null when it is mended */
  set(topic: string, text: string | null): void {
    const known = this.byTopic.get(topic);
    if (text === null) this.byTopic.delete(topic);
    else if (known) known.text = text;
    else this.byTopic.set(topic, { since: this.wallIso(), text });
  }

  get(topic: string): string | null {
    return this.byTopic.get(topic)?.text ?? null;
  }

  list(): { since: string; text: string }[] {
    return [...this.byTopic.values()].reverse();
  }
}

/** One that programs know by its cause: on the list, and in the log with the cause and NLB's number. `text` null: it is mended. */
export function sayOwn(
  { problems, options: { log, host } }: { problems: Problems; options: { log: Log; host: { name: string } } },
  cause: OwnCause,
  text: string | null,
): void {
  problems.set(cause, text);
  if (text !== null) log.repeating(...ownLine(cause, host.name, text));
}
