/** nlb doctor: whom it asks when, and what it shows on a terminal meanwhile. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { inForceOfFile } from '../../host/admin/explain.js';
import { dispatch } from '../../host/cli/dispatch.js';
import { diagnosisOf, Waiting } from '../../host/cli/doctor.js';
import { dnsOf, type Resolving } from '../../host/cli/doctor-dns.js';
import type { DnsFacts } from '../../host/doctor/facts.js';
import { type FakeAnswer, fakeSidecar, freshDirectory, statusFixture } from './cli-fixture.js';
import { changed, fileOf } from './config-fixture.js';

const THIRD = '  - {name: mail3, priority: 3, dedicatedIp: 10.0.0.13}\nportRules:';
const file = fileOf(changed(['portRules:', THIRD]));
const NO_DNS: DnsFacts = { addresses: null, failure: 'ETIMEOUT', reverse: [] };
const IN_FORCE = { code: 200, body: inForceOfFile(file, 1) };
const NO_VIEW = { code: 409, body: { ok: false, text: 'host mail2 has no view yet' } };
const SILENT = { code: 502, body: { ok: false, text: 'no answer within 8 s' } };

const NEVER = new AbortController().signal;

const closings: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0)) await close();
});

/** Something that happens when the test says so, at its end at the latest. */
function event(): { happened: Promise<void>; happen(): void } {
  let happen = (): void => {};
  const happened = new Promise<void>((resolve) => {
    happen = resolve;
  });
  closings.push(happen);
  return { happened, happen };
}

/** The own sidecar is that of mail2; `answers` as it gives them. */
async function doorsOf(answers: Record<string, FakeAnswer>) {
  const directory = freshDirectory();
  const sidecar = await fakeSidecar(directory, answers);
  closings.push(sidecar.close);
  const socketPath = `${directory}/nlb.sock`;
  const doors = ['mail1', 'mail2', 'mail3'].map((host) => {
    return { host, door: { socketPath, server: null, elsewhere: host === 'mail2' ? null : host } };
  });
  return { doors, asked: sidecar.asked, open: sidecar.open, directory };
}

describe('diagnosisOf()', () => {
  test('asks DNS before a silent host has answered, though that is the first', async () => {
    const dnsAsked = event();
    const answersLate = { ...SILENT, after: dnsAsked.happened };
    const { doors, asked } = await doorsOf({
      'GET /in-force': IN_FORCE,
      'GET /examination': answersLate,
      'GET /hosts/mail1/in-force': answersLate,
      'GET /hosts/mail1/examination': answersLate,
      'GET /hosts/mail3/examination': answersLate,
    });
    const askDns = async () => {
      dnsAsked.happen();
      return NO_DNS;
    };
    const { findings, notKnown } = await diagnosisOf(doors, askDns, new Waiting(null), NEVER);
    expect(findings.map(({ check, host }) => `${check} ${host}`)).toEqual([
      'channel mail1',
      'channel mail2',
      'channel mail3',
    ]);
    expect(notKnown.map(({ text }) => text)).toEqual(['where mail.example.org leads to in DNS: ETIMEOUT']);
    // The own sidecar knows the file: no other has to be asked for it.
    expect(asked.filter((path) => path.endsWith('/in-force'))).toEqual(['GET /in-force']);
  }, 20_000);

  test('has the file of whichever host knows one where the own sidecar has no view yet', async () => {
    const dnsAsked = event();
    const answersLate = { ...SILENT, after: dnsAsked.happened };
    const { doors } = await doorsOf({
      'GET /in-force': NO_VIEW,
      'GET /hosts/mail1/in-force': answersLate,
      'GET /hosts/mail3/in-force': IN_FORCE,
    });
    const askDns = async (of: { clusterName: string }) => {
      dnsAsked.happen();
      return { ...NO_DNS, failure: of.clusterName };
    };
    const { notKnown } = await diagnosisOf(doors, askDns, new Waiting(null), NEVER);
    expect(notKnown.map(({ text }) => text)).toEqual(['where mail.example.org leads to in DNS: mail.example.org']);
  }, 20_000);
});

test('asks each of many hosts until one end of all, and Node.js sees no leak in that', async () => {
  const { directory } = await doorsOf({ 'GET /in-force': IN_FORCE });
  const door = { socketPath: `${directory}/nlb.sock`, server: null, elsewhere: 'mail1' };
  const warnings: string[] = [];
  const hear = (warning: Error) => void warnings.push(warning.message);
  process.on('warning', hear);
  closings.push(() => void process.off('warning', hear));
  const doors = Array.from({ length: 32 }, (_, i) => ({
    host: `mail${i}`,
    door: { ...door, elsewhere: i === 0 ? null : 'mail1' },
  }));
  const over = new AbortController();
  const { findings } = await diagnosisOf(doors, null, new Waiting(null), over.signal).catch((error: Error) => ({
    findings: [error.message],
  }));
  expect(findings.length).toBeGreaterThan(0);
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]);
});

describe('nlb doctor', () => {
  /** Nobody looks at itself, and what is silent answers nothing, before the test ends. */
  async function against(own: Record<string, FakeAnswer>, others: FakeAnswer = SILENT) {
    const done = event();
    const answersLate = { ...SILENT, after: done.happened };
    const late = (answer: FakeAnswer): FakeAnswer => (answer === SILENT ? answersLate : answer);
    const sidecar = await doorsOf({
      'GET /status': { code: 200, body: statusFixture() },
      ...Object.fromEntries(
        ['mail2', 'mail3'].flatMap((host) => [
          [`GET /hosts/${host}/in-force`, late(others)],
          [`GET /hosts/${host}/examination`, answersLate],
        ]),
      ),
      'GET /examination': answersLate,
      ...Object.fromEntries(Object.entries(own).map(([path, answer]) => [path, late(answer)])),
    });
    const said = { out: '', err: '' };
    const ended = dispatch(['doctor', '--no-dns', '--state-dir', sidecar.directory], {
      out(text) {
        said.out += text;
      },
      err(text) {
        said.err += text;
      },
      ask: null,
      env: {},
    });
    return { ...sidecar, said, ended };
  }

  test('ends what it has asked once it has said what it says', async () => {
    const { said, ended, open } = await against({ 'GET /in-force': NO_VIEW }, NO_VIEW);
    expect([await ended, said.err]).toEqual([3, 'nlb doctor: host mail2 has no view yet\n']);
    await expect.poll(() => [...open]).toEqual([]);
  });

  describe('after 10 s', () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
    afterEach(() => void vi.useRealTimers());

    test.each([
      [
        'judges by who has answered',
        { 'GET /in-force': IN_FORCE },
        ['/examination'],
        1,
        /not\s+within\s+the\s+time\s+that\s+nlb\s+doctor\s+has/,
      ],
      ['gives up a view that no host has told', { 'GET /in-force': NO_VIEW }, ['/in-force'], 3, /has no view yet/],
      ['gives up its own sidecar', { 'GET /status': SILENT }, ['/status'], 3, /no answer within 9\.5 s/],
    ])(
      '%s',
      async (_what, own, [waitedFor], code, text) => {
        const { said, ended, open } = await against(own, SILENT);
        await expect.poll(() => [...open].filter((path) => path.endsWith(waitedFor!)).length).toBeGreaterThan(0);
        vi.advanceTimersByTime(10_000);
        expect(await ended).toBe(code);
        expect(said.out + said.err).toMatch(text);
        await expect.poll(() => [...open]).toEqual([]);
        // A question without the deadline would take the 10 s that client.ts has for each.
      },
      9000,
    );
  });
});

describe('dnsOf()', () => {
  test('asks forward and back at once, and gives up what has no answer when its time is over', async () => {
    const asked: string[] = [];
    const rejects: ((error: Error) => void)[] = [];
    const silent = (name: string) => {
      asked.push(name);
      return new Promise<never>((_, reject) => rejects.push(reject));
    };
    const cancel = () => {
      for (const reject of rejects.splice(0)) reject(Object.assign(new Error(), { code: 'ECANCELLED' }));
    };
    const resolver = { resolve4: silent, resolve6: silent, reverse: silent, cancel } as unknown as Resolving;
    expect(await dnsOf({ ...file, hosts: file.hosts.slice(0, 1) }, NEVER, resolver, 1)).toEqual({
      addresses: null,
      failure: 'ETIMEOUT',
      reverse: [{ address: '10.0.0.11', names: [], failure: 'ETIMEOUT' }],
    });
    expect(asked).toEqual(['mail.example.org', 'mail.example.org', '10.0.0.11']);
  });
});

test('dnsOf() ends with the doctor, and asks nothing more because of an answer that comes then', async () => {
  const asked: string[] = [];
  const over = new AbortController();
  const resolve = async (name: string): Promise<string[]> => {
    asked.push(name);
    return [];
  };
  const reverse = async (address: string): Promise<string[]> => {
    asked.push(address);
    over.abort();
    return ['mail.example.org'];
  };
  const cancel = () => void asked.push('cancel');
  const resolver = { resolve4: resolve, resolve6: resolve, reverse, cancel } as unknown as Resolving;
  const listening = { ...file, listenOn: 'virtualIp' as const, virtualIps: ['10.0.0.11'] };
  const facts = await dnsOf(listening, over.signal, resolver);
  expect(asked).toEqual(['mail.example.org', 'mail.example.org', '10.0.0.11', 'cancel']);
  expect(facts.reverse.map(({ names }) => names)).toEqual([
    [{ name: 'mail.example.org', addresses: null, failure: 'ETIMEOUT' }],
  ]);
});

describe('the line that says who is waited for', () => {
  function waitingForTwo() {
    const shown: string[] = [];
    const waiting = new Waiting((text) => shown.push(text));
    const [first, second] = [event(), event()];
    const both = [waiting.until('mail1', first.happened), waiting.until('mail2', second.happened)];
    return { shown, waiting, first, second, both };
  }

  test('names who has not answered, and is gone once nobody is waited for', async () => {
    const { shown, first, second, both } = waitingForTwo();
    first.happen();
    await both[0];
    second.happen();
    await both[1];
    expect(shown).toEqual([
      'waiting for mail1; 10 s at most ...',
      'waiting for mail1, mail2; 10 s at most ...',
      'waiting for mail2; 10 s at most ...',
      '',
    ]);
  });

  test('stays away after the end, whoever answers then', async () => {
    const { shown, waiting, first, second, both } = waitingForTwo();
    waiting.end();
    const before = shown.length;
    first.happen();
    second.happen();
    await Promise.all(both);
    expect([shown.at(-1), shown.length]).toEqual(['', before]);
  });

  test('is away before an error is said, while hosts are still waited for', async () => {
    const done = event();
    const answersLate = { ...SILENT, after: done.happened };
    const { directory } = await doorsOf({
      'GET /status': { code: 200, body: statusFixture() },
      'GET /in-force': NO_VIEW,
      'GET /examination': answersLate,
      'GET /hosts/mail2/in-force': NO_VIEW,
      'GET /hosts/mail2/examination': answersLate,
      'GET /hosts/mail3/in-force': NO_VIEW,
      'GET /hosts/mail3/examination': answersLate,
    });
    const screen: string[] = [];
    const code = await dispatch(['doctor', '--no-dns', '--state-dir', directory], {
      out: (text) => screen.push(`out: ${text}`),
      err: (text) => screen.push(`err: ${text}`),
      progress: (text) => screen.push(`progress: ${text}`),
      ask: null,
      env: {},
    });
    expect(code).toBe(3);
    expect(screen).toEqual([
      'progress: waiting for mail1; 10 s at most ...',
      'progress: waiting for mail1, mail2; 10 s at most ...',
      'progress: waiting for mail1, mail2, mail3; 10 s at most ...',
      'progress: ',
      'err: nlb doctor: host mail2 has no view yet\n',
    ]);
  }, 20_000);
});
