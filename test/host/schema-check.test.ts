/** The check of a cluster file's shape that a build is given says what the one that is made at a start does, to the letter. */
import { fileURLToPath } from 'node:url';
import type { ErrorObject } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { schemaErrors } from '../../host/protocol/config/schema-check.js';
import { changed } from './config-fixture.js';

const BUILT = fileURLToPath(new URL('../../build/host/protocol/config/schema-check.js', import.meta.url));
/** Put in the place of every value in turn; `undefined` leaves its key out. */
const WRONG = [undefined, null, true, -1, 0.5, 70_000, '', 'no such word', 'ü'.repeat(200), [], ['a', 'a'], { a: 1 }];

const FULL = changed(
  [
    'hosts:',
    `virtualIps: [10.0.0.100, '2001:db8::100']
heartbeat: {periodMs: 500, missedMax: 5}
ports: {heartbeat: 7620, handoff: 7621, channel: 7622, page: 7625, redirect: 7626}
otherPorts: entryHost
connectionLog: {path: /var/log/c.log, format: json}
remoteControl: {port: 7623, tokenFile: tokens, names: [a.example.org]}
hosts:`,
  ],
  ['10.0.0.11}', '10.0.0.11, initialState: stopped, persistedStates: [started, stopped]}'],
  [
    '    ports: 25',
    '    ports: 25\n    affinity: classC\n    stickFor: 30m\n    failback: slowly 10m\n    ownerPatienceMs: 300',
  ],
  [
    '    filteringMode: single',
    '    filteringMode: single\n    handlingPriority: {mail1: 1, mail2: 2}\n    loadWeight: {mail1: 60}',
  ],
  ['none}', 'none, trustsNobodyByAddress: true, check: {kind: banner, expect: "220", periodMs: 500, timeoutMs: 400}}'],
);

type Path = (string | number)[];

function pathsIn(value: unknown, path: Path = []): Path[] {
  const inside = value !== null && typeof value === 'object' ? Object.entries(value) : [];
  const steps = inside.map(([key, each]) => [Array.isArray(value) ? Number(key) : key, each] as const);
  return [path, ...steps.flatMap(([key, each]) => pathsIn(each, [...path, key]))];
}

function changedAt(value: unknown, [step, ...rest]: Path, wrong: unknown): unknown {
  if (step === undefined) return wrong;
  const copy = structuredClone(value) as Record<string | number, unknown>;
  const inner = changedAt(copy[step], rest, wrong);
  if (inner === undefined && !Array.isArray(copy)) delete copy[step];
  else copy[step] = inner;
  return copy;
}

describe('the check of the cluster file in a build', () => {
  it('has the same errors as the one made at a start, of every value that is wrong', async () => {
    const built = ((await import(BUILT)) as { schemaErrors: (value: unknown) => readonly ErrorObject[] }).schemaErrors;
    const sound: unknown = parse(FULL);
    expect([schemaErrors(sound), built(sound)]).toEqual([[], []]);
    const cases = pathsIn(sound).flatMap((path) => WRONG.map((wrong) => changedAt(sound, path, wrong)));
    const unlike = cases.filter((value) => JSON.stringify(schemaErrors(value)) !== JSON.stringify(built(value)));
    expect(unlike, 'npm run build makes it anew').toEqual([]);
    expect(cases.filter((value) => schemaErrors(value).length > 0).length).toBeGreaterThan(500);
  });
});
