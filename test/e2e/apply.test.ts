/** One cluster file for all hosts: `nlb apply` and its kin on three real sidecars with real Envoys, each with a file of its own. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nlb, type Said } from '../host/cli-fixture.js';
import { greeting, openClient } from './harness/client.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster } from './sidecar-cluster.js';

type Host = SidecarCluster['hosts'][0];

const cluster = new SidecarCluster('127.0.63', 3, true);
const [mail1, mail2, mail3] = cluster.hosts as [Host, Host, Host];
/** This Envoy is built without what sticky rules need. */
mail3.moreArguments = [
  '--envoy-args=--concurrency 1 --drain-time-s 1 --disable-extensions envoy.access_loggers/envoy.access_loggers.file',
];
const FIRST = cluster.fileText('equal');
const weights = (a: number, b: number, c: number) => cluster.fileText(`{mail1: ${a}, mail2: ${b}, mail3: ${c}}`);

beforeAll(() => cluster.start());
afterAll(() => cluster.stop());

const on = (host: Host, ...args: string[]): Promise<Said> =>
  nlb([...args, '--state-dir', host.stateDir], { USER: 'root' });

/** @returns where an administrator has the new file */
function fileWith(text: string, name = 'new.yaml'): string {
  const path = join(cluster.directory, name);
  writeFileSync(path, text);
  return path;
}

const apply = (host: Host, text: string, ...more: string[]) => on(host, 'apply', fileWith(text), ...more);
const revisions = async () =>
  (await Promise.all(cluster.hosts.map((host) => host.status()))).map(({ file }) => file.revision);
const onDisk = () => cluster.hosts.map((host) => readFileSync(host.filePath, 'utf8'));
const everywhere = (text: string) => cluster.hosts.map(() => text);

describe('nlb apply', () => {
  it('tries on every host what would be, and changes nothing', async () => {
    const { code, out, err } = await apply(mail1, weights(10, 20, 30), '--dry-run');
    expect([code, err]).toEqual([0, '']);
    expect(out.split('\n').slice(0, 4)).toEqual([
      '3 changes:',
      '  port rule smtp: loadWeights mail1 50 -> 10',
      '  port rule smtp: loadWeights mail2 50 -> 20',
      '  port rule smtp: loadWeights mail3 50 -> 30',
    ]);
    expect(out).toMatch(/smtp: [0-9.]+ % move \(mail1 3\d\.\d % -> 1\d\.\d %,/);
    expect(out).toContain('It would be revision 1; mail1, mail2, mail3 can take it. Nothing was changed');
    expect(await revisions()).toEqual([0, 0, 0]);
    expect(onDisk()).toEqual(everywhere(FIRST));
  });

  it('puts a file in force on all hosts, rewrites theirs, and touches no open connection', async () => {
    const open = Array.from({ length: 30 }, (_, i) =>
      openClient({ from: `127.3.0.${i + 1}`, to: { host: cluster.hosts[i % 3]!.ip, port: PORTS.rule } }),
    );
    await Promise.all(open.map((client) => client.firstLine()));
    const { code, out, err } = await apply(mail1, weights(10, 20, 30));
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/Revision 1 is in force on mail1, mail2, mail3, \d+\.\d s after it was brought/);
    expect(await revisions()).toEqual([1, 1, 1]);
    await waitFor('the files are rewritten', () => onDisk().every((text) => text === weights(10, 20, 30)));
    expect(readFileSync(`${mail2.filePath}.rev-0`, 'utf8')).toBe(FIRST);
    for (const client of open) await client.echo('after the change');
    for (const client of open) client.close();
    await waitFor('nothing to be wrong', async () => (await mail3.status()).problems.length === 0);
  });

  it('refuses what is in force already, and a file with mistakes', async () => {
    expect(await apply(mail2, weights(10, 20, 30))).toMatchObject({
      code: 4,
      err: 'nlb apply: The file says what is in force already (revision 1)\n',
    });
    const wrong = await apply(mail2, weights(10, 20, 30).replace('routed', 'routd'));
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('new.yaml:2:') });
  });

  it.each<[string, number, (file: string, port: number) => string]>([
    ['a rule', PORTS.rule + 1, (file, port) => file.replace(`ports: ${PORTS.rule}`, `ports: ${port}`)],
    ['remote control', 7696, (file, port) => `${file}remoteControl: {port: ${port}}\n`],
  ])(
    'puts a file in force nowhere where one host has no free port for %s, and says who has it',
    async (_, port, change) => {
      const taken = createServer().listen(port, mail3.ip);
      await waitFor('the port is taken', () => taken.listening);
      const said = await apply(mail1, change(weights(10, 20, 30), port));
      const who = `${readFileSync('/proc/self/comm', 'utf8').trim()} (process ${process.pid})`;
      expect(said).toMatchObject({
        code: 4,
        err: `nlb apply: host mail3 refuses: Cannot listen where this file says: ${mail3.ip} TCP port ${port} is taken by ${who}; expected free ports\n`,
      });
      expect(await revisions()).toEqual([1, 1, 1]);
      expect((await mail2.status()).file.offered).toBeNull();
      taken.close();
    },
  );

  it('refuses what a running sidecar cannot take up, and a host that is taken out while it serves', async () => {
    const otherPort = weights(10, 20, 30).replace(/channel: \d+/, 'channel: 7699');
    expect((await apply(mail1, otherPort)).err).toContain(
      'ports.channel is 7654, the file says 7699: sidecars read that',
    );
    const two = weights(10, 20, 30)
      .replace(/ {2}- \{name: mail3.*\n/, '')
      .replace(', mail3: 30', '');
    expect((await apply(mail1, two)).err).toContain(
      'Host mail3 is not in the file and still serves: nlb stop --host mail3',
    );
  });

  it('takes a file back everywhere that one Envoy refuses, with its words, and touches no open connection', async () => {
    const open = Array.from({ length: 30 }, (_, i) =>
      openClient({ from: `127.3.1.${i + 1}`, to: { host: cluster.hosts[i % 3]!.ip, port: PORTS.rule } }),
    );
    await Promise.all(open.map((client) => client.firstLine()));
    // What any Envoy can do, and what that of mail3 cannot: sticky rules need its access log.
    const [plain, sticky] = [PORTS.rule + 2, PORTS.rule + 3];
    const service = `service: {address: '{dedicatedIp}:${PORTS.service}', proxyProtocol: v2}`;
    const moreRules = `portRules:
  - {name: plain, ports: ${plain}, ${service}}
  - {name: sticky, ports: ${sticky}, affinity: single, stickFor: 5m, ${service}}
`;
    const said = await apply(mail1, weights(10, 20, 30).replace('portRules:\n', moreRules));
    const why =
      `Host mail3 cannot put it in force: Envoy refused ${mail3.stateDir}/envoy/lds.json (version V): ` +
      `nlb.handoff, nlb.rule.sticky.${mail3.ip}.${sticky}: Didn't find a registered implementation for 'envoy.access_loggers.file' ` +
      "with type URL: 'envoy.extensions.access_loggers.file.v3.FileAccessLog'; the last good one (V) is back";
    const withoutVersions = (text: string) => text.replace(/\b[0-9a-f]{16}\b/g, 'V');
    expect([said.code, withoutVersions(said.err)]).toEqual([
      4,
      `nlb apply: ${why}. Revision 3 is the file as it was before\n`,
    ]);
    expect(withoutVersions((await on(mail2, 'revisions')).out)).toContain(`revision 2 taken back: ${why}\n`);
    expect(await revisions()).toEqual([3, 3, 3]);
    await cluster.converged();
    await waitFor('the files are as before', () => onDisk().every((each) => each === weights(10, 20, 30)));
    for (const host of cluster.hosts) {
      for (const port of [plain, sticky]) {
        // Envoy has the file of before; it closes what it listened at a moment later.
        let said = '';
        const isRefused = async () => {
          said = await greeting('127.3.1.99', { host: host.ip, port });
          return said === 'refused ECONNREFUSED';
        };
        await waitFor(`nobody to listen at ${host.name} port ${port}`, isRefused).catch(() => {});
        expect(said).toBe('refused ECONNREFUSED');
      }
    }
    for (const client of open) await client.echo('after it was taken back');
    for (const client of open) client.close();
  });

  it('gives two administrators at once one change, and tells the other who was first', async () => {
    const [a, b] = [fileWith(weights(11, 20, 30), 'a.yaml'), fileWith(weights(12, 20, 30), 'b.yaml')];
    const said = await Promise.all([on(mail2, 'apply', a), on(mail3, 'apply', b)]);
    expect(said.map(({ code }) => code).sort()).toEqual([0, 4]);
    const winner = said.findIndex(({ code }) => code === 0);
    expect(said[1 - winner]!.err).toMatch(
      /host mail1 refuses: (revision 4 is being brought by root on mail[23] since|its file is|it has revision 4 already)/,
    );
    expect(await revisions()).toEqual([4, 4, 4]);
    const whole = weights(11 + winner, 20, 30);
    await waitFor('the file that came first, everywhere', () => onDisk().every((text) => text === whole));
  });
});

describe('nlb rollback', () => {
  it('goes back to the file before, and to one that was in force long ago', async () => {
    const { code, out } = await on(mail3, 'rollback');
    expect([code, out]).toEqual([0, expect.stringContaining('Revision 5 is in force on mail1, mail2, mail3')]);
    await waitFor('the file before', () => onDisk().every((text) => text === weights(10, 20, 30)));
    expect(await on(mail1, 'rollback', '--to', '0')).toMatchObject({ code: 0 });
    await waitFor('the first file', () => onDisk().every((text) => text === FIRST));
    expect(await on(mail1, 'rollback', '--to', '77')).toMatchObject({
      code: 4,
      err: expect.stringContaining('This host knows no revision 77; it knows revision 0, 1, 2, 3, 4, 5, 6'),
    });
  });

  it('is told by nlb revisions, on any host', async () => {
    for (const args of [['revisions'], ['revisions', '--host', 'mail2']]) {
      const { code, out } = await on(mail1, ...args);
      expect(code).toBe(0);
      expect(out).toMatch(/6 \* {2}.* root on mail1 .* rollback to revision 0\n/);
      expect(out).toMatch(/ 3 .* revision 2 taken back: Host mail3 cannot put it in force/);
    }
  });
});

describe('nlb apply --confirm', () => {
  it('is taken back on every host where nobody confirms', async () => {
    const { out } = await apply(mail1, weights(1, 2, 3), '--confirm', '10s');
    expect(out).toContain('It is taken back in 10 s unless you say nlb confirm');
    expect(await apply(mail2, weights(4, 5, 6))).toMatchObject({
      code: 4,
      err: expect.stringContaining(
        'Revision 7 by root on mail1 waits to be confirmed: nlb confirm or nlb rollback first',
      ),
    });
    await waitFor('the file before', async () => (await revisions()).join() === '8,8,8');
    await waitFor('on every disk', () => onDisk().every((text) => text === FIRST));
    expect(await on(mail1, 'confirm')).toMatchObject({
      code: 4,
      err: 'nlb confirm: No revision waits to be confirmed\n',
    });
  });

  it('stays where somebody does, on whichever host', async () => {
    expect(await apply(mail1, weights(1, 2, 3), '--confirm', '30s')).toMatchObject({ code: 0 });
    await waitFor('it is kept', async () => (await on(mail3, 'revisions')).out.includes('to be confirmed'));
    expect(await on(mail3, 'confirm')).toEqual({
      code: 0,
      out: 'The file in force is confirmed, as revision 11\n',
      err: '',
    });
    await waitFor('all have heard of it', async () => (await revisions()).join() === '11,11,11');
    expect((await on(mail2, 'revisions')).out).not.toContain('to be confirmed');
  });
});

describe('a host that was away', () => {
  it('keeps a change back, is left behind where that is wanted, and fetches the file when it is back', async () => {
    await mail3.end('SIGKILL');
    const said = await apply(mail1, weights(21, 22, 23));
    expect(said).toMatchObject({ code: 4, err: expect.stringContaining('--without mail3 leaves it behind') });
    expect(said.err).toContain('host mail3 does not answer: nobody listens there');
    const without = await apply(mail1, weights(21, 22, 23), '--without', 'mail3');
    expect(without).toMatchObject({
      code: 0,
      out: expect.stringContaining('in force on mail1, mail2'),
      err: '',
    });
    expect(without.out).toContain('; mail3 fetches it when it is back');
    expect(readFileSync(mail3.filePath, 'utf8')).toBe(weights(1, 2, 3));
    mail3.run();
    await waitFor('mail3 has it', () => readFileSync(mail3.filePath, 'utf8') === weights(21, 22, 23));
    await cluster.converged();
    expect(await revisions()).toEqual([12, 12, 12]);
  });

  it('is refused where too few would decide', async () => {
    await mail2.end('SIGKILL');
    await mail3.end('SIGKILL');
    expect(await apply(mail1, weights(1, 1, 1), '--without', '2', '--without', 'mail3')).toMatchObject({
      code: 4,
      err: 'nlb apply: 1 of 3 hosts are too few to change the cluster file, expected more than half\n',
    });
    mail2.run();
    mail3.run();
    await cluster.converged();
  });
});

describe('a file edited by hand', () => {
  it('is not in force, says so, and comes in force by reload on all hosts under the number that was', async () => {
    writeFileSync(mail2.filePath, weights(31, 32, 33));
    const said = () => mail2.status().then(({ problems }) => problems.map(({ text }) => text).join('\n'));
    const changed =
      /mail2\.yaml was changed \([0-9a-f]{16}\) and is not in force; in force is [0-9a-f]{16} \(revision 12\)/;
    await waitFor('it says so', async () => changed.test(await said()));
    for (const host of [mail1, mail3]) writeFileSync(host.filePath, weights(31, 32, 33));
    expect(await on(mail1, 'reload', '--all')).toMatchObject({ code: 0 });
    await waitFor('it is in force', async () => {
      const { rules, file } = await mail1.status();
      return file.offered === null && rules[0]!.hosts.map(({ loadWeight }) => loadWeight).join() === '31,32,33';
    });
    expect(await revisions()).toEqual([12, 12, 12]);
    await waitFor('it is well again', async () => (await said()) === '');
    await waitFor('it is listed', async () => (await on(mail1, 'revisions')).out.includes('put there by hand'));
  });

  it('is kept beside the file where a revision comes in force over it', async () => {
    writeFileSync(mail2.filePath, '# half a thought\n');
    expect(await apply(mail1, FIRST)).toMatchObject({ code: 0 });
    await waitFor('it is rewritten', () => readFileSync(mail2.filePath, 'utf8') === FIRST);
    expect(readFileSync(`${mail2.filePath}.not-in-force`, 'utf8')).toBe('# half a thought\n');
    expect(existsSync(`${mail1.filePath}.not-in-force`)).toBe(false);
  });
});
