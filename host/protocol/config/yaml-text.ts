/**
 * YAML text to plain values, with the way back: where in the text a value or a key stands.
 */
import { isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node, YAMLError } from 'yaml';
import { type Finding, type YamlPath, pathText, valueText } from './finding.js';

/** A cluster file of 32 hosts and 32 rules has some 20 KB; anything near this is another file. */
const TEXT_LENGTH_MAX = 1_000_000;

/** What a check says of one place; the line and column are found by ClusterText. */
export interface Complaint {
  path: YamlPath;
  expected: string;
  /** The sentence after the path: `is 70000, expected ...`; by default made of value and `expected`. */
  says?: string;
  /** Points at the key itself rather than at its value. */
  atKey?: boolean;
}

export interface ClusterText {
  /** Plain values, or undefined where the YAML itself is broken. */
  value: unknown;
  findings: Finding[];
  /** Turns a complaint about a place into a finding with line and column. */
  finding(complaint: Complaint): Finding;
}

export function readYaml(text: string, file: string): ClusterText {
  if (text.length > TEXT_LENGTH_MAX) return tooLong(text, file);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const finding = (complaint: Complaint): Finding => {
    const offset = offsetOf(document, complaint.path, complaint.atKey ?? false);
    const { line, col } = lines.linePos(offset);
    const value = valueAt(plain, complaint.path);
    const path = pathText(complaint.path);
    const says = complaint.says ?? saysOf(value, complaint.expected);
    const message = path === '' ? `the file ${says}` : `${path} ${says}`;
    return { path, file, line, column: col, value: valueText(value), expected: complaint.expected, message };
  };
  const findings = [...document.errors, ...document.warnings].map((error) => yamlFinding(error, text, lines, file));
  // A repeated key leaves the rest readable, so that its mistakes can be told too; anything else does not.
  const readable = document.errors.every((error) => error.code === 'DUPLICATE_KEY');
  let plain: unknown;
  try {
    if (readable) plain = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const message = `the file cannot be read: ${(error as Error).message}`;
    findings.push({ path: '', file, line: 1, column: 1, value: null, expected: 'YAML', message });
  }
  return { value: plain, findings, finding };
}

function saysOf(value: unknown, expected: string): string {
  return value === undefined ? `is missing, expected ${expected}` : `is ${valueText(value)}, expected ${expected}`;
}

function tooLong(text: string, file: string): ClusterText {
  const expected = `at most ${TEXT_LENGTH_MAX} characters`;
  const message = `the file has ${text.length} characters, expected ${expected}`;
  const whole: Finding = { path: '', file, line: 1, column: 1, value: null, expected, message };
  return { value: undefined, findings: [whole], finding: () => whole };
}

function yamlFinding(error: YAMLError, text: string, lines: LineCounter, file: string): Finding {
  const { line, col } = lines.linePos(error.pos[0]);
  const duplicate = error.code === 'DUPLICATE_KEY';
  const expected = duplicate ? 'each key once' : 'well-formed YAML';
  const here = text.slice(error.pos[0]);
  const message = duplicate
    ? `${/^["']?([\w-]+)/.exec(here)?.[1] ?? 'a key'} stands here for the second time in one map, expected each key once`
    : yamlMessage(error);
  return { path: '', file, line, column: col, value: null, expected, message };
}

function yamlMessage({ code, message }: YAMLError): string {
  if (code === 'MULTIPLE_DOCS') return 'the file holds several YAML documents (---), expected one';
  if (code === 'TAG_RESOLVE_FAILED') return `the file has a YAML tag that means nothing here: ${message}`;
  return `this is not well-formed YAML: ${message}`;
}

/** Where a value (or its key) starts; for one that is not there, where the nearest thing that holds it starts. */
function offsetOf(document: Document, path: YamlPath, atKey: boolean): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, step] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === step);
      if (pair === undefined) return offset;
      const keyOffset = startOf(pair.key) ?? offset;
      node = pair.value;
      const last = depth === path.length - 1;
      offset = last && atKey ? keyOffset : (startOf(node) ?? keyOffset);
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      offset = startOf(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}

/** The value at a path, undefined where there is none. */
export function valueAt(value: unknown, path: YamlPath): unknown {
  let current = value;
  for (const step of path) {
    if (current === null || typeof current !== 'object') return undefined;
    if (!Object.hasOwn(current, step)) return undefined;
    current = (current as Record<string | number, unknown>)[step];
  }
  return current;
}
