/** A lawful cluster file that tests change one thing of. */
import { type Finding, findingLine, parseClusterFile } from '../../host/protocol/config/index.js';
import type { ClusterFile } from '../../host/protocol/types.js';

export const LAWFUL = `cluster: mail.example.org
mode: routed
listenOn: dedicatedIp
hashSeed: 0x5eed1234
hosts:
  - {name: mail2, priority: 2, dedicatedIp: 10.0.0.12}
  - {name: mail1, priority: 1, dedicatedIp: 10.0.0.11}
portRules:
  - name: smtp
    ports: 25
    service: {address: 'unix:/run/smtp.sock', proxyProtocol: v2}
  - name: web
    ports: 8000-8099
    filteringMode: single
    service: {address: '{dedicatedIp}:9000', proxyProtocol: none}
`;

/** The lawful file with each `from` replaced by its `to`; a `from` that is not there is a mistake of the test. */
export function changed(...edits: readonly (readonly [from: string, to: string])[]): string {
  let text = LAWFUL;
  for (const [from, to] of edits) {
    if (!text.includes(from)) throw new Error(`the lawful file does not have: ${from}`);
    text = text.replace(from, () => to);
  }
  return text;
}

/** Every error of a text, as `nlb check` prints it. */
export function errorsOf(text: string): string[] {
  const parsed = parseClusterFile(text, 'c.yaml');
  return 'errors' in parsed ? parsed.errors.map(findingLine) : [];
}

export function warningsOf(text: string): string[] {
  return parseClusterFile(text, 'c.yaml').warnings.map((finding: Finding) => findingLine(finding));
}

/** The file, of a text that must be lawful. */
export function fileOf(text: string): ClusterFile {
  const parsed = parseClusterFile(text, 'c.yaml');
  if ('errors' in parsed) throw new Error(parsed.errors.map(findingLine).join('\n'));
  return parsed.file;
}
