/**
 * What a sidecar says of contradictions, in every place where an administrator may look: `query`, `display`, `doctor`, the log and
 * the API must have the same words.
 */
import { expect } from 'vitest';
import type { ClusterStatus, ProblemStatus } from '../../host/admin/status.js';
import type { DoctorFinding } from '../../host/doctor/facts.js';
import { nlb } from '../host/cli-fixture.js';
import { waitFor } from './harness/wait.js';

/** A sidecar that can be asked, with its log in the JSON form. */
export interface Speaker {
  name: string;
  stateDir: string;
  log(): string;
  status(): Promise<ClusterStatus>;
}

/** A contradiction, with NLB's event number where it had one. */
export type Said = Pick<ProblemStatus, 'cause' | 'host' | 'text' | 'todo'> & { event?: number };

export const contradiction = (host: string | null, text: string, todo: string): Said => {
  return { cause: 'contradiction', host, text, todo, event: 67 };
};
const plain = ({ cause, host, text, todo }: Said): Said => ({ cause, host, text, todo });
export const sorted = <T>(items: readonly T[]): T[] =>
  [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

const contradictionsOf = async (host: Speaker): Promise<Said[]> =>
  (await host.status()).problems.filter(({ cause }) => cause !== null).map(plain);

/** What it is to say; asked anew for each look where it depends on what the host knows by then. */
export type Wanted = readonly Said[] | (() => Promise<readonly Said[]>);
const listOf = async (wanted: Wanted): Promise<readonly Said[]> =>
  typeof wanted === 'function' ? await wanted() : wanted;

/** Looks again until all of it is so: what one host hears of two others, and when a line is in its log, has no order. */
export async function eventually(what: string, look: () => Promise<void>): Promise<void> {
  let failure: unknown;
  const isSo = () =>
    look().then(
      () => true,
      (error: unknown) => {
        failure = error;
        return false;
      },
    );
  await waitFor(what, isSo).catch(() => {
    throw failure;
  });
}

/** Waits until it says these, and nothing else. */
export function says(host: Speaker, wanted: Wanted): Promise<void> {
  return eventually(`${host.name} says what it should`, async () => {
    const said = sorted(await contradictionsOf(host));
    const tail = host.log().split('\n').slice(-25).join('\n');
    expect(said, tail).toEqual(sorted((await listOf(wanted)).map(plain)));
  });
}

export const on = (host: Speaker, ...args: string[]) => nlb([...args, '--state-dir', host.stateDir]);

/** `TEXT -> TODO` of each entry below a heading, whatever its line breaks. */
export function entriesUnder(out: string, heading: RegExp): string[] {
  const block = out.slice(out.search(heading)).split('\n\n')[0]!;
  const [, ...entries] = block.split(/\n {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}/);
  return entries.map((entry) => entry.replace(/\s+/g, ' ').trim());
}

/** The same words everywhere on one host. */
export async function saysEverywhere(
  host: Speaker,
  wanted: Wanted,
  logFrom: number,
  cluster = 'mail.example.org',
): Promise<void> {
  await says(host, wanted);
  await eventually(`${host.name} says it everywhere`, async () => {
    const list = await listOf(wanted);
    const asText = sorted(list.map(({ text, todo }) => `${text} -> ${todo}`));
    expect(sorted(entriesUnder((await on(host, 'query')).out, /^Contradictions \(\d+\), newest first:$/m))).toEqual(
      asText,
    );
    const asked = JSON.parse((await on(host, 'query', '--json')).out) as { contradictions: Said[] };
    expect(sorted(asked.contradictions.map(plain))).toEqual(sorted(list.map(plain)));
    const displayed = entriesUnder((await on(host, 'display')).out, /^Problems \(\d+\), newest first:$/m);
    expect(sorted(displayed.filter((entry) => !entry.includes('changes of the view')))).toEqual(asText);
    for (const said of list) isLogged(host, said, logFrom, cluster);
  });
}

function isLogged(
  host: Speaker,
  { cause, host: whose, text, todo, event }: Said,
  logFrom: number,
  cluster: string,
): void {
  // What is written at this moment may be the half of a line.
  const lines = host.log().slice(logFrom).split('\n').slice(0, -1);
  const logged = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  // Of its own place it may know less at first: one of the others is heard before the other.
  const isIt = (msg: unknown) => (cause === 'outside' ? OWN_FILE.test(String(msg)) : msg === text);
  const line = logged.find(({ msg }) => isIt(msg));
  expect(line, `${text}\n${lines.join('\n')}`).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    level: 'warning',
    cluster,
    sidecar: host.name,
    cause,
    host: whose,
    ...(event === undefined ? {} : { event }),
    todo,
    msg: cause === 'outside' ? expect.stringMatching(OWN_FILE) : text,
  });
}

const OWN_FILE = /^this host is outside: its file is [0-9a-f]{16}, that of /;

/** What the doctor finds that the hosts say themselves, and the kinds of whatever else it finds. */
export async function diagnosis(host: Speaker): Promise<{ said: [string, string][]; others: string[] }> {
  const { findings } = JSON.parse((await on(host, 'doctor', '--no-dns', '--json')).out) as {
    findings: DoctorFinding[];
  };
  const isSaid = ({ check }: DoctorFinding) => check === 'problem';
  return {
    said: findings
      .filter((each) => isSaid(each) && !each.text.includes('changes of the view'))
      .map(({ text, todo }) => [text, todo]),
    others: [...new Set(findings.filter((each) => !isSaid(each)).map(({ check }) => check))].sort(),
  };
}
