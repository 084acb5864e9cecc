/**
 * The sidecar's own Envoy without the protocol: started, adopted, mended, refused, put back. The view is the test's.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../host/edge/clock.js';
import { loadDecision } from '../../host/edge/decision.js';
import { findEnvoy } from '../../host/edge/envoy-binary.js';
import { endEnvoy, findOwnEnvoy, startEnvoy } from '../../host/edge/envoy-process.js';
import { handoffIdentity } from '../../host/edge/cluster-identity.js';
import { createLog } from '../../host/edge/log.js';
import { OwnEnvoy } from '../../host/edge/own-envoy.js';
import type { ClusterFile, InForce } from '../../host/protocol/types.js';
import { bootstrap, envoyPaths } from '../../host/protocol/xds/index.js';
import { greeting, openClient } from './harness/client.js';
import { clusterFile, RULE_PORT, SERVICE_PORT } from './harness/cluster.js';
import { startService, type TestService } from './harness/service.js';
import { waitFor } from './harness/wait.js';

const IP = '127.0.51.1';
const RULE = { host: IP, port: RULE_PORT };

let stateDir = '';
let service: TestService;
let lines: string[] = [];
let opened: OwnEnvoy[] = [];

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'nlb-sidecar-'));
  mkdirSync(join(stateDir, 'envoy'));
  service = await startService({ name: 'mail1', listen: { host: IP, port: SERVICE_PORT }, proxyProtocol: 'v2' });
  lines = [];
  opened = [];
});

afterEach(async () => {
  for (const envoy of opened) await envoy.leave();
  const pid = findOwnEnvoy(join(stateDir, 'envoy'));
  if (pid !== null) await endEnvoy(pid, join(stateDir, 'envoy'), 0);
  await service.stop();
  rmSync(stateDir, { recursive: true, force: true });
});

interface Opened {
  envoy: OwnEnvoy;
  adopted: boolean;
  taken: string[];
  refused: string[];
}

/** As a sidecar does at its start; `leave()` is what is left of one that was killed. */
async function open(file: ClusterFile, existingAdmin: string | null = null, wanted = true): Promise<Opened> {
  const taken: string[] = [];
  const refused: string[] = [];
  const envoy = new OwnEnvoy({
    self: 'mail1',
    stateDir,
    identity: handoffIdentity(Buffer.alloc(32, 7), file.clusterName),
    decision: await loadDecision(),
    clock: systemClock,
    log: createLog(systemClock, (line) => lines.push(line)),
    existingAdmin,
    extraArguments: ['--concurrency', '1', '--drain-time-s', '1'],
    onState: () => {},
    onTaken: (_inForce, checksum) => taken.push(checksum),
    onRefused: (reason) => refused.push(reason),
  });
  opened.push(envoy);
  const adopted = await envoy.open(file, wanted);
  return { envoy, adopted, taken, refused };
}

/** A view in which mail1 has a part, and the others as told. */
function view(file: ClusterFile, number: number, absent: string[] = []): InForce {
  const hosts = file.hosts.map(({ name, priority }) => ({
    name,
    priority,
    rules: file.portRules.map(() =>
      absent.includes(name)
        ? ({ loadWeight: 0, handlingPriority: 0, absence: 'serviceDown' } as const)
        : { loadWeight: 50, handlingPriority: 0, absence: null },
    ),
  }));
  const checksum = number.toString(16).padStart(16, '0');
  return {
    file,
    lostSince: [],
    view: { number, checksum, fingerprint: 'f', decisionVersion: 1, protocolVersion: 1, hosts },
  };
}

async function serving(opening: Opened, inForce: InForce, checksum: string): Promise<void> {
  opening.envoy.decideBy(inForce, checksum);
  await waitFor(`${checksum} taken; refused: ${opening.refused}`, () => opening.taken.includes(checksum));
}

describe('OwnEnvoy', () => {
  it('starts an Envoy with the first view, and a restarted sidecar adopts it with every connection', async () => {
    const file = clusterFile('127.0.51', 1);
    const first = await open(file);
    expect(first.adopted).toBe(false);
    await serving(first, view(file, 1), 'one');
    const pid = findOwnEnvoy(join(stateDir, 'envoy'));
    const clients = Array.from({ length: 100 }, (_, i) => openClient({ from: `127.0.51.${100 + i}`, to: RULE }));
    for (const client of clients) expect(await client.firstLine()).toMatch(/^220 mail1 client=127\.0\.51\.1\d\d:/);
    await first.envoy.leave();
    for (const client of clients) await client.echo('while no sidecar runs');
    const second = await open(file);
    expect(second.adopted).toBe(true);
    await serving(second, view(file, 1), 'one');
    expect(findOwnEnvoy(join(stateDir, 'envoy'))).toBe(pid);
    expect(second.envoy.state).toMatchObject({ state: 'serving', pid });
    for (const client of clients) await client.echo('after the restart');
    for (const client of clients) client.close();
  });

  it('mends an Envoy that was killed, and says so', async () => {
    const file = clusterFile('127.0.51', 1);
    const opening = await open(file);
    await serving(opening, view(file, 1), 'one');
    const pid = findOwnEnvoy(join(stateDir, 'envoy'));
    process.kill(pid as number, 'SIGKILL');
    await waitFor(
      'another Envoy serves',
      () => opening.envoy.state.pid !== pid && opening.envoy.state.state === 'serving',
    );
    expect(await waitFor('a greeting', async () => (await greeting('127.0.51.9', RULE)).startsWith('220'))).toBe(true);
    expect(lines.join('')).toContain(`Envoy (process ${pid}) ended`);
  });

  it('refuses to start while a rule port has a listener, and names it', async () => {
    const file = clusterFile('127.0.51', 1);
    const other = createServer().listen(RULE_PORT, IP);
    await waitFor('the port is taken', () => other.listening);
    await expect(open(file)).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringMatching(
        new RegExp(
          `127\\.0\\.51\\.1 TCP port ${RULE_PORT} is taken by .*\\(process ${process.pid}\\); expected free ports`,
        ),
      ),
    });
    other.close();
  });

  it('follows views through ECDS alone: no listener and no cluster is written again', async () => {
    const file = clusterFile('127.0.51', 2);
    const opening = await open(file);
    await serving(opening, view(file, 1, ['mail2']), 'one');
    const [cds, lds] = ['cds', 'lds'].map((name) => readFileSync(join(stateDir, 'envoy', `${name}.json`), 'utf8'));
    const client = openClient({ from: '127.0.51.100', to: RULE });
    await client.firstLine();
    for (let number = 2; number < 30; number++) await serving(opening, view(file, number, ['mail2']), `${number}`);
    await client.echo('still here');
    client.close();
    expect(readFileSync(join(stateDir, 'envoy', 'cds.json'), 'utf8')).toBe(cds);
    expect(readFileSync(join(stateDir, 'envoy', 'lds.json'), 'utf8')).toBe(lds);
  });

  it('puts the last good file back when Envoy refuses one, so that a killed Envoy comes back by it', async () => {
    const file = clusterFile('127.0.51', 1);
    const opening = await open(file);
    await serving(opening, view(file, 1), 'one');
    const good = readFileSync(join(stateDir, 'envoy', 'lds.json'), 'utf8');
    // 192.0.2.1 is no address of this machine: the listener cannot be bound.
    const elsewhere = { ...file, hosts: [{ ...file.hosts[0]!, dedicatedIp: '192.0.2.1' }] };
    opening.envoy.decideBy(view(elsewhere, 2), 'two');
    const reason = await waitFor('the refusal', () => opening.refused[0]);
    expect(reason).toMatch(/Envoy refused .*lds\.json.*192\.0\.2\.1.*the last good one .* is back/);
    expect(readFileSync(join(stateDir, 'envoy', 'lds.json'), 'utf8')).toBe(good);
    expect(opening.taken).not.toContain('two');
    const pid = findOwnEnvoy(join(stateDir, 'envoy'));
    process.kill(pid as number, 'SIGKILL');
    await waitFor('a greeting', async () => (await greeting('127.0.51.9', RULE)).startsWith('220'));
  });

  it('is there again where it is wanted while it is still being ended', async () => {
    const file = clusterFile('127.0.51', 1);
    const opening = await open(file);
    await serving(opening, view(file, 1), 'one');
    const ended = opening.envoy.end();
    opening.envoy.want();
    opening.envoy.decideBy(view(file, 2), 'two');
    await ended;
    await waitFor('view two taken', () => opening.taken.includes('two'));
    expect(await greeting('127.0.51.9', RULE)).toMatch(/^220 mail1/);
  });

  it('is ended also where that is asked for while it is being started', async () => {
    const file = clusterFile('127.0.51', 1);
    const opening = await open(file);
    opening.envoy.decideBy(view(file, 1), 'one');
    // Written last before it is started.
    await waitFor('the start', () => existsSync(envoyPaths(stateDir).bootstrap));
    await opening.envoy.end();
    await waitFor('one is written for nobody', () => opening.taken.includes('one'));
    expect([findOwnEnvoy(join(stateDir, 'envoy')), opening.envoy.state.state]).toEqual([null, 'down']);
    opening.envoy.want();
    await serving(opening, view(file, 2), 'two');
    expect(await greeting('127.0.51.9', RULE)).toMatch(/^220 mail1/);
  });

  it('is not started where the sidecar gives up while a start waits for its turn', async () => {
    const file = clusterFile('127.0.51', 1);
    const opening = await open(file);
    await serving(opening, view(file, 1), 'one');
    const { ecds } = envoyPaths(stateDir);
    const before = readFileSync(ecds, 'utf8');
    const pid = findOwnEnvoy(join(stateDir, 'envoy'))!;
    process.kill(pid, 'SIGSTOP');
    const ended = opening.envoy.end();
    opening.envoy.want();
    opening.envoy.decideBy(view(file, 2), 'two');
    await waitFor('two is written', () => readFileSync(ecds, 'utf8') !== before);
    opening.envoy.giveUp();
    process.kill(pid, 'SIGCONT');
    await ended;
    await opening.envoy.leave();
    expect([findOwnEnvoy(join(stateDir, 'envoy')), opening.taken]).toEqual([null, ['one']]);
    await serving(await open(file), view(file, 2), 'two');
    expect(await greeting('127.0.51.9', RULE)).toMatch(/^220 mail1/);
  });

  it('is ended where the sidecar of before had no time for it, and a view under way is not waited for', async () => {
    const file = clusterFile('127.0.51', 1);
    const first = await open(file);
    await serving(first, view(file, 1), 'one');
    await first.envoy.leave();
    const stopped = await open(file, null, false);
    expect([stopped.adopted, stopped.envoy.isWanted]).toEqual([true, true]);
    const pid = findOwnEnvoy(join(stateDir, 'envoy'))!;
    process.kill(pid, 'SIGSTOP');
    stopped.envoy.decideBy(view(file, 2), 'two');
    const ended = stopped.envoy.end();
    process.kill(pid, 'SIGCONT');
    await ended;
    expect(findOwnEnvoy(join(stateDir, 'envoy'))).toBeNull();
    await waitFor('two is written for nobody', () => stopped.taken.includes('two'));
  });

  it('does not start twice, and minds no more once it ended on purpose', async () => {
    const file = clusterFile('127.0.51', 1);
    const opening = await open(file);
    await serving(opening, view(file, 1), 'one');
    await opening.envoy.end();
    expect(findOwnEnvoy(join(stateDir, 'envoy'))).toBeNull();
    opening.envoy.decideBy(view(file, 2), 'two');
    await waitFor('two is written for nobody', () => opening.taken.includes('two'));
    expect(findOwnEnvoy(join(stateDir, 'envoy'))).toBeNull();
    opening.envoy.want();
    await serving(opening, view(file, 3), 'three');
    expect(await greeting('127.0.51.9', RULE)).toMatch(/^220 mail1/);
  });

  it('works beside an Envoy that somebody else starts, later, and leaves it alone', async () => {
    const file = clusterFile('127.0.51', 1);
    const paths = envoyPaths(stateDir);
    const opening = await open(file, paths.adminSocket);
    opening.envoy.decideBy(view(file, 1), 'one');
    await waitFor('the files', () => existsSync(paths.ecds));
    expect(opening.taken).toEqual([]);
    expect(opening.envoy.state).toMatchObject({ state: 'down', detail: expect.stringContaining(paths.adminSocket) });
    writeFileSync(
      paths.bootstrap,
      JSON.stringify(bootstrap(file, 'mail1', paths, { openFilesMax: 4096, workerCount: 1 })),
    );
    const binaryPath = (await findEnvoy()).path;
    await startEnvoy({ binaryPath, directory: paths.directory, extraArguments: ['--concurrency', '1'] });
    await waitFor('one taken', () => opening.taken.includes('one'));
    expect(await greeting('127.0.51.9', RULE)).toMatch(/^220 mail1/);
    await opening.envoy.lookAtExisting();
    expect(opening.envoy.state).toMatchObject({ state: 'serving', version: '1.40.0', pid: null });
    await opening.envoy.end();
    expect(await greeting('127.0.51.9', RULE)).toMatch(/^220 mail1/);
  });
});
