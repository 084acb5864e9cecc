/** The connection log on real Envoys: every connection with rule, bucket, owner, outcome and view; bounded; a full disk hurts nobody. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boundConnectionLog } from '../../host/edge/connection-log.js';
import { loadDecision } from '../../host/edge/decision.js';
import { connectEnvoyAdmin } from '../../host/edge/envoy-admin.js';
import { nlb } from '../host/cli-fixture.js';
import { greeting } from './harness/client.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster, type SidecarHost } from './sidecar-cluster.js';
import { writeFileSync } from 'node:fs';

const cluster = new SidecarCluster('127.0.69', 2, true);
const [mail1, mail2] = cluster.hosts as [SidecarHost, SidecarHost];
const folder = join(cluster.directory, 'made', 'logs');
const withLog = (settings: string): string => `${cluster.fileText('equal')}connectionLog: ${settings}\n`;
const logOf = (host: SidecarHost): string => join(folder, `${host.name}.log`);
const CLIENTS = Array.from({ length: 20 }, (_, i) => `127.0.70.${i + 1}`);

interface Line {
  client: string;
  bucket: string;
  owner: string;
  outcome: string;
  [field: string]: unknown;
}

const linesOf = (host: SidecarHost): Line[] =>
  existsSync(logOf(host))
    ? readFileSync(logOf(host), 'utf8')
        .trim()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Line)
    : [];

/** The line of a client, once Envoy has written it (it gathers lines for up to a second). */
const lineOf = (host: SidecarHost, client: string): Promise<Line> =>
  waitFor(`a line of ${client}`, () => linesOf(host).find((line) => line.client.startsWith(`${client}:`)));

const enter = (host: SidecarHost, client: string): Promise<string> =>
  greeting(client, { host: host.ip, port: PORTS.rule });

async function apply(text: string): Promise<void> {
  const path = join(cluster.directory, 'new.yaml');
  writeFileSync(path, text);
  const said = await nlb(['apply', path, '--state-dir', mail1.stateDir], { USER: 'root' });
  expect(said, said.err).toMatchObject({ code: 0 });
  await cluster.converged();
}

beforeAll(() => cluster.start());
afterAll(() => cluster.stop());

describe('the connection log', () => {
  it('is off, and then on by nlb apply: each connection with its rule, bucket, owner, outcome and view', async () => {
    expect(existsSync(folder)).toBe(false);
    await apply(withLog(`{path: '${folder}/{name}.log', format: json}`));
    const decision = await loadDecision();
    const { view } = await mail1.status();
    for (const client of CLIENTS) expect(await enter(mail1, client)).toMatch(/^220 /);
    const owners = new Set<string>();
    for (const client of CLIENTS) {
      const line = await lineOf(mail1, client);
      const bucket = decision.bucket({
        affinity: 'single',
        address: client,
        port: 0,
        hashSeed: 0x5eed1234,
        ipv6PrefixLength: 64,
      });
      const weighted = ['mail1', 'mail2'].map((name) => ({ name, loadWeight: 50 }));
      const { owner } = decision.owners(bucket, weighted, 0x5eed1234);
      owners.add(owner!);
      expect(line).toMatchObject({
        host: 'mail1',
        to: `${mail1.ip}:${PORTS.rule}`,
        rule: 'smtp',
        view: String(view!.number),
        bucket: String(bucket),
        owner,
        outcome: owner === 'mail1' ? 'served_here' : 'handed_off',
        upstream: owner === 'mail1' ? `${mail1.ip}:${PORTS.service}` : `${mail2.ip}:${PORTS.handoff}`,
      });
      expect(Object.keys(line).sort()).toEqual([
        'bucket',
        'bytesIn',
        'bytesOut',
        'client',
        'durationMs',
        'flags',
        'host',
        'outcome',
        'owner',
        'rule',
        'time',
        'to',
        'upstream',
        'view',
      ]);
    }
    expect(owners).toEqual(new Set(['mail1', 'mail2']));
    expect(linesOf(mail2)).toEqual([]);
  });

  it('is put aside when it has grown, and goes on in a new file', async () => {
    const before = statSync(logOf(mail1)).size;
    const file = { connectionLog: { path: `${folder}/{name}.log`, format: 'json', maxMiB: before / 2 / 1024 / 1024 } };
    const admin = connectEnvoyAdmin(join(mail1.stateDir, 'envoy', 'admin.sock'));
    const reopen = () => admin.post('/reopen_logs');
    expect(await boundConnectionLog(file as never, 'mail1', reopen)).toBeNull();
    admin.close();
    expect(statSync(`${logOf(mail1)}.1`).size).toBe(before);
    await enter(mail1, '127.0.70.100');
    expect(await lineOf(mail1, '127.0.70.100')).toMatchObject({ rule: 'smtp' });
    expect(linesOf(mail1)).toHaveLength(1);
  });

  it('costs nobody a connection where the disk is full, and has a text form', async () => {
    await apply(withLog('{path: /dev/full, format: text}'));
    for (const client of CLIENTS) expect(await enter(mail2, client)).toMatch(/^220 /);
    await apply(withLog(`{path: '${folder}/{name}.log', format: text}`));
    await enter(mail2, '127.0.70.101');
    const line = await waitFor(
      'a line',
      () =>
        /^.*client=127\.0\.70\.101:.*$/m.exec(existsSync(logOf(mail2)) ? readFileSync(logOf(mail2), 'utf8') : '')?.[0],
    );
    expect(line).toMatch(
      /^time=\S+ client=127\.0\.70\.101:\d+ to=127\.0\.69\.2:\d+ rule=smtp bucket=\d+ owner=mail[12] outcome=(served_here|handed_off) view=\d+ upstream=\S+ bytesIn=\d+ bytesOut=\d+ durationMs=\d+ flags=\S+ host=mail2$/,
    );
  });
});
