/** View history: what an entry says, what is kept of it on disk, and the decision of then. */
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inForceOfFile } from '../../host/admin/explain.js';
import { timeArgument } from '../../host/cli/time.js';
import { HistoryFile } from '../../host/edge/history-file.js';
import { entryOf, type HistoryEntry, inForceOf, type StoredEntry, withoutView } from '../../host/history/entry.js';
import { frequentText, TROUBLES_MAX } from '../../host/history/frequent.js';
import type { Effect } from '../../host/protocol/events.js';
import type { InForce } from '../../host/protocol/types.js';
import { ViewHistory } from '../../host/view-history.js';
import { fakeSidecar, freshDirectory, nlb, statusFixture } from './cli-fixture.js';
import { changed, fileOf } from './config-fixture.js';

const START = Date.parse('2026-11-22T21:00:00.000Z');
const at = (seconds: number): string => new Date(START + 1000 * seconds).toISOString();

function inForce(number: number, change: (of: InForce) => void = () => {}): InForce {
  const of = inForceOfFile(fileOf(changed()), 1);
  of.view = { ...of.view, number, checksum: String(number).padStart(16, '0'), fingerprint: 'a1c67144a90125c1' };
  change(of);
  return of;
}

const entry = (before: InForce | null, after: InForce, cause = 'because', seconds = 0): StoredEntry =>
  entryOf(before, after, { at: at(seconds), cause, convergingMs: 1200 });

describe('entryOf()', () => {
  test('names who came, who went, and whose settings are others', () => {
    const one = inForce(1, (of) => of.view.hosts.pop());
    const both = inForce(2);
    expect(entry(one, both)).toMatchObject({
      came: ['mail2'],
      went: [],
      initiators: ['mail2'],
      hosts: ['mail1', 'mail2'],
    });
    const lost = inForce(2, (of) => {
      of.lostSince = ['mail1'];
    });
    expect(entry(both, lost)).toMatchObject({ came: [], went: ['mail1'], initiators: ['mail1'], lostSince: ['mail1'] });
    const down = inForce(3, (of) => {
      of.view.hosts[1]!.rules[0] = { loadWeight: 0, handlingPriority: 0, absence: 'serviceDown' };
    });
    expect(entry(both, down)).toMatchObject({ initiators: ['mail2'], changes: ['mail2: smtp serviceDown'] });
    expect(entry(down, both).changes).toEqual(['mail2: smtp takes part']);
    expect(entry(null, both, 'first view')).toMatchObject({ came: ['mail1', 'mail2'], initiators: [] });
    expect(entry(null, both, 'resumed').came).toEqual([]);
  });

  test('keeps the view whole: what was decided by it is decided by it again', () => {
    const before = inForce(7, (of) => {
      of.view.hosts[1]!.rules[0] = { loadWeight: 0, handlingPriority: 0, absence: 'draining' };
      of.lostSince = ['mail1'];
    });
    const stored = JSON.parse(JSON.stringify(entry(null, before))) as StoredEntry;
    expect(inForceOf(stored, before.file)).toEqual(before);
  });
});

describe('frequentText()', () => {
  /** mail2 lost and back, `count` times, each with its view. */
  function flaps(count: number): HistoryEntry[] {
    const gone = (number: number): InForce => inForce(number, (of) => of.view.hosts.pop());
    return Array.from({ length: count }, (_, i) => [
      withoutView(entry(inForce(2 * i), gone(2 * i + 1), 'mail2 lost', i)),
      withoutView(entry(gone(2 * i + 1), inForce(2 * i + 2), 'mail2 in', i)),
    ]).flat();
  }

  test('speaks with the sixth change in ten minutes that nobody asked for, and names the host', () => {
    expect(frequentText(flaps(3).slice(0, TROUBLES_MAX), START)).toBe(null);
    expect(frequentText(flaps(3), START + 60_000)).toBe(
      '6 changes of the view in 10 minutes that nobody asked for, by mail2: look at the network card, ' +
        'cable and switch port there, and at the load (nlb history --since 10m)',
    );
    expect(frequentText(flaps(3), START + 11 * 60_000)).toBe(null);
  });

  test('is silent of what an administrator asked for', () => {
    const drained = inForce(2, (of) => {
      of.view.hosts[1]!.rules[0] = { loadWeight: 0, handlingPriority: 0, absence: 'draining' };
    });
    const asked = Array.from({ length: 10 }, (_, i) => [
      withoutView(entry(inForce(1), drained, 'changed settings', i)),
      withoutView(entry(inForce(1), inForce(2 * i), 'changed file', i)),
      withoutView(
        entry(
          inForce(1),
          inForce(2 * i, (of) => of.view.hosts.pop()),
          'mail2 left',
          i,
        ),
      ),
    ]).flat();
    // A host that was stopped and comes back is asked for as well, once; hosts that start one after another are.
    expect(frequentText(asked, START)).toBe(null);
  });
});

describe('HistoryFile', () => {
  const write = async (directory: string, count: number, first = 0): Promise<(string | null)[]> => {
    const said: (string | null)[] = [];
    const file = new HistoryFile(directory, (problem) => said.push(problem));
    for (let i = first; i < first + count; i++) {
      file.append(entry(null, inForce(i), 'because', i), inForce(i).file);
      await file.settled();
    }
    return said;
  };

  test('gives back what it was given, oldest first, over restarts, with the cluster file', async () => {
    const directory = freshDirectory();
    await write(directory, 3);
    await write(directory, 2, 3);
    const file = new HistoryFile(directory, () => {});
    expect((await file.read()).map(({ viewNumber }) => viewNumber)).toEqual([0, 1, 2, 3, 4]);
    expect(await file.fileOf('a1c67144a90125c1')).toEqual(inForce(1).file);
    expect(await file.fileOf('0000000000000000')).toBe(null);
  });

  test('goes on behind a line that was cut, and leaves that line out', async () => {
    const directory = freshDirectory();
    await write(directory, 1);
    appendFileSync(join(directory, 'history', 'views.jsonl'), '{"at":"2026');
    await write(directory, 1, 1);
    const file = new HistoryFile(directory, () => {});
    expect((await file.read()).map(({ viewNumber }) => viewNumber)).toEqual([0, 1]);
  });

  test('is bounded: the oldest half goes when the newest is full, with the files that nobody names', async () => {
    const directory = freshDirectory();
    await write(directory, 1);
    const path = join(directory, 'history', 'views.jsonl');
    const [line] = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, `${line}\n`.repeat(5000));
    writeFileSync(join(directory, 'history', '00000000000000aa.json'), '{}');
    await write(directory, 1, 1);
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(2);
    expect(readdirSync(join(directory, 'history')).sort()).toEqual([
      'a1c67144a90125c1.json',
      'views.1.jsonl',
      'views.jsonl',
    ]);
    expect((await new HistoryFile(directory, () => {}).read()).length).toBe(5001);
  });

  test('says what is wrong where it cannot write, and when it can again', async () => {
    const directory = freshDirectory();
    writeFileSync(join(directory, 'history'), 'a file where a directory should be');
    const said = await write(directory, 1);
    expect(said).toEqual([`The view history in ${directory}/history is not written: EEXIST`]);
  });
});

describe('ViewHistory', () => {
  function history(directory = freshDirectory()) {
    const clock = { ms: 0, nowMs: () => clock.ms, wallIso: () => new Date(START + clock.ms).toISOString() };
    return { clock, directory, views: new ViewHistory(directory, clock, () => {}) };
  }
  const converging = {
    kind: 'notice',
    nowMs: 0,
    cause: 'converging',
    host: null,
    detail: '',
    todo: null,
  } as const satisfies Effect;
  const shown = (of: InForce, cause = 'because'): Effect => ({ kind: 'inForce', inForce: of, checksum: '', cause });

  test('measures a convergence from its first word, over the loss that was in force at once', async () => {
    const { clock, views } = history();
    views.see(shown(inForce(1)));
    clock.ms = 10_000;
    views.see(converging);
    clock.ms = 10_400;
    views.see(
      shown(
        inForce(1, (of) => {
          of.lostSince = ['mail2'];
        }),
        'mail2 lost',
      ),
    );
    clock.ms = 11_500;
    views.see(converging);
    views.see(
      shown(
        inForce(2, (of) => of.view.hosts.pop()),
        'mail2 lost',
      ),
    );
    const list = await views.list(null);
    expect(list.map(({ convergingMs }) => convergingMs)).toEqual([0, 0, 1500]);
    expect((await views.list(at(11))).map(({ viewNumber }) => viewNumber)).toEqual([2]);
  });

  test('says once of each when Envoy decides by it, and nothing of what is older than that', () => {
    const { clock, views } = history();
    const given = (of: InForce, checksum: string): InForce => {
      views.see({ ...shown(of), checksum } as Effect);
      return of;
    };
    const [first, second] = [given(inForce(1), 'a'), given(inForce(2), 'b')];
    clock.ms = 12;
    const less = given({ ...second, lostSince: ['mail2'] }, 'c');
    clock.ms = 30;
    expect(views.takenText(second, 'b')).toBe('Envoy decides by view 2, 30 ms after it came in force');
    expect(views.takenText(second, 'b')).toBe(null);
    expect(views.takenText(first, 'a')).toBe(null);
    expect(views.takenText(less, 'c')).toBe('Envoy decides by view 2 less mail2, 18 ms after it came in force');
  });

  test('finds what was in force at a time, and says where its knowledge ends', async () => {
    const { clock, views, directory } = history();
    views.see(shown(inForce(1)));
    clock.ms = 60_000;
    views.see(shown(inForce(2)));
    await views.close();
    const later = history(directory).views;
    expect((await later.inForceAt(at(59))).inForce).toEqual(inForce(1));
    expect(await later.inForceAt(at(60))).toEqual({ inForce: inForce(2), since: at(60) });
    await expect(later.inForceAt(at(-1))).rejects.toThrow(
      `Nothing is known of ${at(-1)}: the view history begins at ${at(0)}`,
    );
  });
});

describe('timeArgument()', () => {
  const now = new Date(2026, 10, 22, 12, 0, 0);
  test('reads a time of day as the last one, a date, and how long ago', () => {
    expect(timeArgument('at', '02:14', now)).toBe(new Date(2026, 10, 22, 2, 14).toISOString());
    expect(timeArgument('at', '23:59:30', now)).toBe(new Date(2026, 10, 21, 23, 59, 30).toISOString());
    expect(timeArgument('at', '2026-11-01 02:14', now)).toBe(new Date(2026, 10, 1, 2, 14).toISOString());
    expect(timeArgument('at', '2026-11-01T02:14:00Z', now)).toBe('2026-11-01T02:14:00.000Z');
    expect(timeArgument('since', '90m', now)).toBe(new Date(2026, 10, 22, 10, 30).toISOString());
  });

  test.each(['24:00', 'yesterday', '2026-13-01 00:00', ''])('refuses "%s"', (text) => {
    expect(() => timeArgument('at', text, now)).toThrow(
      `--at is ${text}, expected 02:14, 2026-11-22 02:14, or how long ago such as 20m, 1h or 3d`,
    );
  });
});

test('nlb history tells the views newest first, and exits 1 where there is none', async () => {
  const directory = freshDirectory();
  const first = withoutView(entry(null, inForce(7), 'first view'));
  const second = withoutView(
    entry(
      inForce(7),
      inForce(8, (of) => of.view.hosts.pop()),
      'mail2 lost',
      60,
    ),
  );
  const answers = {
    'GET /history': { code: 200, body: [first, second] },
    'GET /status': { code: 200, body: statusFixture() },
  };
  const sidecar = await fakeSidecar(directory, answers);
  const said = await nlb(['history', '--state-dir', directory]);
  await sidecar.close();
  expect(said).toEqual({
    code: 0,
    err: '',
    out: `View history of mail1 (2), newest first:
  SINCE                 VIEW  HOSTS         TOOK   WHY
  2026-11-22 21:01:00Z  8     mail1         1.2 s  mail2 lost; by mail2; went: mail2
  2026-11-22 21:00:00Z  7     mail1, mail2  1.2 s  first view; came: mail1, mail2
`,
  });
});
