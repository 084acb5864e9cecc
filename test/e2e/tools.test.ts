/** The verbs that look ahead and back, on three real sidecars with their Envoys. */
import { execFile, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Explanation } from '../../host/admin/explain.js';
import type { HistoryEntry } from '../../host/history/entry.js';
import type { Plan } from '../../host/plan/plan.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster, type SidecarHost } from './sidecar-cluster.js';

const MAIN = fileURLToPath(new URL('../../build/host/main.js', import.meta.url));
const cluster = new SidecarCluster('127.0.153', 3);
const [mail1, mail2, mail3] = cluster.hosts as [SidecarHost, SidecarHost, SidecarHost];

beforeAll(() => cluster.start(), 120_000);
afterAll(() => cluster.stop());

/** Runs `nlb` as an administrator does, at one host. */
async function nlb(host: SidecarHost, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const run = promisify(execFile)(process.execPath, [MAIN, ...args, '--state-dir', host.stateDir]);
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      out: error.stdout,
      err: error.stderr,
    }),
  );
}

const jsonOf = async <T>(host: SidecarHost, ...args: string[]): Promise<T> =>
  JSON.parse((await nlb(host, ...args, '--json')).out) as T;

const explained = (...more: string[]): Promise<Explanation> =>
  jsonOf(mail1, 'explain', '192.0.2.7', '--port', String(PORTS.rule), ...more);

describe('nlb history, plan and explain --at', () => {
  it('plan foretells what a drain then does, and the history decides as it was before', async () => {
    await cluster.converged();
    const before = await explained();
    const owner = cluster.hosts.find(({ name }) => name === before.owner)!;
    const plan = await jsonOf<Plan>(mail1, 'plan', '--drain', owner.name);
    const [smtp] = plan.rules;
    expect(smtp!.flows.every(({ from }) => from === owner.name)).toBe(true);
    const moment = new Date().toISOString();
    await nlb(owner, 'drainstop');
    const isOut = async () => (await explained()).owner === before.nextOwner;
    await waitFor(`${owner.name} out of the rule`, isOut);
    const shares = await waitFor('shares after the drain', async () => {
      const [rule] = (await mail1.status()).rules;
      return rule!.hosts.find(({ host }) => host === owner.name)!.expectedShare === 0 && rule!.hosts;
    });
    const foretold = new Map(smtp!.hosts.map(({ name, shareAfter }) => [name, shareAfter]));
    for (const { host, expectedShare } of shares) expect(expectedShare).toBe(foretold.get(host));

    const then = await explained('--at', moment);
    expect([then.owner, then.nextOwner, then.viewNumber]).toEqual([before.owner, before.nextOwner, before.viewNumber]);
    expect(then.past!.at).toBe(moment);
    const entries = await jsonOf<HistoryEntry[]>(mail1, 'history', '--since', moment);
    const drained = entries.find(({ changes }) => changes.includes(`${owner.name}: smtp draining`));
    expect(drained?.initiators ?? entries).toEqual([owner.name]);
    await nlb(owner, 'start');
    await cluster.converged();
  });

  it('explain --all says once what all hosts decide, and each for itself where they were in other views', async () => {
    const question = ['explain', '192.0.2.7', '--port', String(PORTS.rule), '--all'];
    const ofAll = 'as in force on mail1, mail2, mail3';
    await waitFor('one answer of all hosts', async () => {
      const { code, out } = await nlb(mail2, ...question);
      return code === 0 && out.replace(/\s+/g, ' ').includes(`${ofAll}.`) && out.match(/^Client /gm)?.length === 1;
    });
    await mail3.end('SIGKILL');
    process.kill(mail3.envoyPid!, 'SIGKILL');
    await waitFor('a view without mail3', async () => {
      const one = (host: SidecarHost) => jsonOf<Explanation>(host, ...question.slice(0, -1));
      const said = await Promise.all([mail1, mail2].map(one));
      return said.every(({ hosts }) => hosts.find(({ name }) => name === 'mail3')?.absence === 'notInView');
    });
    const moment = new Date().toISOString();
    const alone = await nlb(mail1, ...question);
    expect([alone.code, alone.err]).toEqual([3, expect.stringMatching(/^mail3: host mail3 does not answer: /)]);
    mail3.run();
    await cluster.converged();
    // What mail3 went by until it died is what it would have gone by then.
    const then = await nlb(mail1, ...question, '--at', moment);
    expect([then.code, then.err]).toEqual([1, '']);
    expect(then.out.replace(/\s+/g, ' ')).toMatch(
      /^The hosts (decide differently|take the same decision, yet not by the same view): mail1, mail2 \(/,
    );
    expect(then.out).toMatch(/^--- mail3$/m);
  });

  it('the history outlives the sidecar, and tells of a host that died how long it took', async () => {
    await cluster.converged();
    const moment = new Date().toISOString();
    await mail3.end('SIGKILL');
    process.kill(mail3.envoyPid!, 'SIGKILL');
    const gone = async () => {
      const entries = await jsonOf<HistoryEntry[]>(mail1, 'history', '--since', moment);
      const isAgreed = entries.some(({ lostSince, hosts }) => lostSince.length === 0 && !hosts.includes('mail3'));
      return isAgreed ? entries : null;
    };
    const entries = await waitFor('a view without mail3', gone);
    expect(entries.some(({ went }) => went.includes('mail3'))).toBe(true);
    expect(entries.every(({ hosts }) => !hosts.includes('mail3'))).toBe(true);
    await mail1.end('SIGKILL');
    mail1.run();
    mail3.run();
    await cluster.converged();
    const after = await jsonOf<HistoryEntry[]>(mail1, 'history', '--since', moment);
    expect(after.map(({ at }) => at)).toEqual(expect.arrayContaining(entries.map(({ at }) => at)));
    expect(after.some(({ cause }) => cause === 'resumed')).toBe(true);
    expect((await nlb(mail2, 'history')).out).toMatch(/^View history of mail2 \(\d+\), newest first:\n/);
  });
});

describe('nlb doctor', () => {
  interface Diagnosis {
    hosts: string[];
    findings: { check: string; host: string | null; text: string }[];
  }
  const doctor = (): Promise<Diagnosis> => jsonOf(mail2, 'doctor', '--no-dns');

  it('hears every host over the host channel, and finds a host whose service and sidecar are gone', async () => {
    await cluster.converged();
    const before = await doctor();
    expect(before.hosts).toEqual(['mail1', 'mail2', 'mail3']);
    const ofPorts = ({ check }: { check: string }) =>
      ['channel', 'lost', 'heartbeat', 'handoff', 'file', 'defaultHosts', 'clock'].includes(check);
    expect(before.findings.filter(ofPorts)).toEqual([]);
    await mail3.end('SIGKILL');
    process.kill(mail3.envoyPid!, 'SIGKILL');
    const lost = await waitFor('the doctor to miss mail3', async () => {
      const { findings } = await doctor();
      return findings.some(({ check }) => check === 'lost') && findings;
    });
    expect(lost.filter(ofPorts).map(({ check, host, text }) => `${check} ${host}: ${text}`)).toEqual(
      expect.arrayContaining([
        'lost mail3: host mail3 is lost: no host hears it',
        `handoff mail1: host mail1 does not reach the handoff port of mail3 (${mail3.ip}:${PORTS.handoff}/tcp): ECONNREFUSED`,
      ]),
    );
    expect((await nlb(mail2, 'doctor', '--no-dns')).code).toBe(1);
    mail3.run();
    await cluster.converged();
  });
});

describe('nlb watch', () => {
  const [COLUMNS, ROWS] = [72, 24];
  const HOME = '\x1b[H';
  /** The terminal itself adds a return. */
  const LINE_END = '\x1b[K\r\r\n';

  it('shows in a terminal a host that dies meanwhile, within its width and height, and gives the terminal back', async () => {
    await cluster.converged();
    const line = `stty cols ${COLUMNS} rows ${ROWS}; exec '${process.execPath}' '${MAIN}' watch --state-dir '${mail1.stateDir}'`;
    const terminal = spawn('script', ['-qec', line, '/dev/null'], { env: { ...process.env, SHELL: '/bin/sh' } });
    const ended = new Promise((resolve) => terminal.on('close', resolve));
    let drawn = '';
    terminal.stdout.setEncoding('utf8').on('data', (part: string) => {
      drawn += part;
    });
    try {
      const stateOf = (name: string) => {
        const frame = drawn.split(HOME).at(-1)!;
        return new RegExp(` ${name} [ *]+[\\d.]+ +(\\w+)`).exec(frame)?.[1];
      };
      await waitFor('the first picture', () => stateOf('mail3') === 'converged');
      await mail3.end('SIGKILL');
      process.kill(mail3.envoyPid!, 'SIGKILL');
      await waitFor('mail3 drawn as lost', () => stateOf('mail3') === 'lost');
      terminal.stdin.write('q');
      expect(await ended).toBe(0);
    } finally {
      terminal.kill();
    }
    expect(drawn.trimEnd().endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
    const [before, ...frames] = drawn.split(HOME);
    expect(before!.endsWith('\x1b[?1049h\x1b[?25l')).toBe(true);
    for (const frame of frames) {
      const lines = frame.split(LINE_END).slice(0, -1);
      expect(lines[0]).toBe('nlb watch on mail1: live; q ends');
      expect(lines.length).toBeLessThan(ROWS);
      expect(lines.filter((each) => each.length > COLUMNS)).toEqual([]);
    }
  });
});
