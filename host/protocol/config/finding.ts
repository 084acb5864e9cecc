/**
 * What is wrong, or worth a second look, in a cluster file: always with the place, so that nobody has to search for it.
 */

/** Keys and list positions from the top of the file down to a value: `['portRules', 0, 'ports']`. */
export type YamlPath = readonly (string | number)[];

export interface Finding {
  /** As a person writes it: `portRules[0].ports`; empty for the file as a whole. */
  path: string;
  /** The file as it was named by the caller. */
  file: string;
  /** From 1; of the value, or of what should hold it where it is missing. */
  line: number;
  column: number;
  /** As written, in JSON, cut at 60 characters; null where it is missing. */
  value: string | null;
  /** What would have been right. */
  expected: string;
  /** The whole sentence, without file and line. */
  message: string;
}

/** `portRules[0].service.proxyProtocol`; a key that is no plain word is quoted. */
export function pathText(path: YamlPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z0-9_-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** A value as a message shows it: in JSON, at most 60 characters, or null where there is none. */
export function valueText(value: unknown): string | null {
  if (value === undefined) return null;
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

/** One line for a terminal: `cluster.yaml:14:12: portRules[0].ports is 70000, expected ...`. */
export function findingLine(finding: Finding): string {
  return `${finding.file}:${finding.line}:${finding.column}: ${finding.message}`;
}
