/** The verbs that work on files alone, and the command line itself. */
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { VERBS } from '../../host/cli/verbs.js';
import { readKeyFile } from '../../host/edge/key-file.js';
import { freshDirectory, nlb } from './cli-fixture.js';
import { changed, fileOf } from './config-fixture.js';

const IS_ROOT = process.getuid?.() === 0;
const NO_NFT = IS_ROOT
  ? 'nft is not installed: install the package nftables'
  : 'nftables needs CAP_NET_ADMIN, which this process does not have: run it as root or with AmbientCapabilities=CAP_NET_ADMIN';

const FLAGS = ['--cluster', 'mail.example.org', '--host', 'mail1=127.0.3.1', '--host', 'mail2=127.0.3.2'].concat([
  '--rule',
  'smtp=25',
  '--rule',
  'web=8000-8099',
  '--service',
  '{dedicatedIp}:2525',
  '--proxy-protocol',
  'v2',
]);

async function initialised(...more: string[]) {
  const directory = freshDirectory();
  const [file, key] = [join(directory, 'etc', 'cluster.yaml'), join(directory, 'etc', 'cluster.key')];
  return { file, key, said: await nlb(['init', file, ...FLAGS, ...more]) };
}

describe('nlb init', () => {
  test('writes a file that nlb check takes, and a key that only its owner reads', async () => {
    const { file, key, said } = await initialised();
    expect(said).toEqual({
      code: 0,
      out: `Wrote ${file} and ${key} (secret).\nCopy both to the same place on every host, then on each: nlb check ${file}\n`,
      err: '',
    });
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(readKeyFile(key).sealing.bytes.length).toBe(32);
    const written = fileOf(readFileSync(file, 'utf8'));
    expect(written.hosts.map(({ name, priority }) => [name, priority])).toEqual([
      ['mail1', 1],
      ['mail2', 2],
    ]);
    expect(written.portRules.map(({ name, portFirst, portLast }) => [name, portFirst, portLast])).toEqual([
      ['smtp', 25, 25],
      ['web', 8000, 8099],
    ]);
    const check = await nlb(['check', file, '--host', 'mail2']);
    expect([check.code, check.err]).toEqual([0, '']);
    expect(check.out).toMatch(/: fit to run, this machine is mail2 \(fingerprint [0-9a-f]{16}\)\n$/);
  });

  test('makes another seed and another key each time', async () => {
    const [a, b] = [await initialised(), await initialised()];
    expect(readFileSync(a.key, 'utf8')).not.toBe(readFileSync(b.key, 'utf8'));
    const seeds = [a, b].map(({ file }) => fileOf(readFileSync(file, 'utf8')).hashSeed);
    expect(seeds[0]).not.toBe(seeds[1]);
  });

  test('never replaces what is there without --force', async () => {
    const { file, key } = await initialised();
    const before = readFileSync(key, 'utf8');
    const text = `nlb init: ${file} and ${key} are there already; nothing was written (--force replaces)\n`;
    expect(await nlb(['init', file, ...FLAGS])).toEqual({ code: 4, out: '', err: text });
    expect(readFileSync(key, 'utf8')).toBe(before);
    chmodSync(key, 0o644);
    expect((await nlb(['init', file, ...FLAGS, '--force'])).code).toBe(0);
    expect([readFileSync(key, 'utf8') === before, statSync(key).mode & 0o777]).toEqual([false, 0o600]);
  });

  test('asks a person for what the flags leave out', async () => {
    const file = join(freshDirectory(), 'c.yaml');
    const answers = [
      '',
      'mail.example.org',
      'mail1=10.0.0.11, mail2=10.0.0.12',
      'smtp=25',
      'unix:/run/smtp.sock',
      'v1',
    ];
    const said = await nlb(['init', file, '--json'], {}, answers);
    expect([said.code, JSON.parse(said.out)]).toEqual([0, { file, keyFile: file.replace('c.yaml', 'cluster.key') }]);
    expect(said.err).toBe('Expected a full internet name such as mail.example.org\n');
    expect(fileOf(readFileSync(file, 'utf8')).portRules[0]!.service!.proxyProtocol).toBe('v1');
  });

  test('names all that is missing where nobody can be asked', async () => {
    const said = await nlb([
      'init',
      join(freshDirectory(), 'c.yaml'),
      '--cluster',
      'mail.example.org',
      '--rule',
      'smtp=25',
    ]);
    expect(said).toEqual({
      code: 2,
      out: '',
      err: `nlb init: this is no terminal where questions could be asked, and
  --host is missing, expected NAME=ADDRESS such as mail1=10.0.0.11, once for each host
  --service is missing, expected an address such as 127.0.0.1:2525 or unix:/run/smtp.sock
  --proxy-protocol is missing, expected v2, v1 or none: with none the service sees Envoy's address in place of the client's
`,
    });
  });

  test.each(['arp', 'multicast'])('writes the file of a cluster on one address in mode %s', async (mode) => {
    const flags = FLAGS.map((flag) => flag.replace('127.0.3.', '10.0.0.1'));
    const virtualIps = ['10.0.0.100', 'fd00::100'];
    const file = join(freshDirectory(), 'c.yaml');
    const more = virtualIps.flatMap((address) => ['--virtual-ip', address]);
    const said = await nlb(['init', file, ...flags, '--mode', mode, ...more]);
    expect([said.code, said.err]).toEqual([0, '']);
    const written = fileOf(readFileSync(file, 'utf8'));
    expect([written.mode, written.listenOn, written.virtualIps]).toEqual([mode, 'virtualIp', virtualIps]);
  });

  test.each([
    ['arp', 'virtualIps names no address'],
    ['bridge', 'mode is "bridge", expected routed, arp or multicast'],
  ])('writes nothing where mode %s cannot be, and says why', async (mode, why) => {
    const { file, said } = await initialised('--mode', mode);
    expect([said.code, existsSync(file)]).toEqual([1, false]);
    expect(said.err).toContain(why);
  });

  test('writes nothing where the answers make no lawful file', async () => {
    const { file, key, said } = await initialised('--affinity', 'sticky: [');
    expect([said.code, existsSync(file), existsSync(key)]).toEqual([1, false, false]);
    expect(said.err).toContain('portRules[0].affinity is "sticky: [", expected none, single, classC or network');
  });
});

describe('nlb check', () => {
  test('says which ports this machine cannot carry, and why', async () => {
    const file = join(freshDirectory(), 'c.yaml');
    const wide = changed(
      ['8000-8099', '40000-49999'],
      ['10.0.0.11', '127.0.3.1'],
      ['10.0.0.12', '127.0.3.2'],
      ['{dedicatedIp}:9000', '{dedicatedIp}:{port}'],
      ['proxyProtocol: none', 'proxyProtocol: v2, check: {kind: none}'],
    );
    writeFileSync(file, wide);
    const path = process.env.PATH;
    process.env.PATH = '';
    const said = await nlb(['check', file, '--host', 'mail1', '--no-key']).finally(() => {
      process.env.PATH = path;
    });
    expect([said.code, said.err.split('\n')[2]]).toEqual([
      0,
      `${file}:1:1: warning: Ports 40000-49999 of 127.0.3.1 are not carried: clients that come to this host for them do not reach the cluster, as far as nlb check can tell: ${NO_NFT}`,
    ]);
  });

  test('prints every mistake with its place, and exits 1', async () => {
    const file = join(freshDirectory(), 'c.yaml');
    writeFileSync(file, changed(['mode: routed', 'mode: igmp'], ['ports: 25', 'ports: 0']));
    const said = await nlb(['check', file]);
    expect(said).toEqual({
      code: 1,
      out: '',
      err: `${file}:2:7: mode is "igmp", expected routed, arp or multicast: no IGMP group is joined here; mode multicast is the nearest
${file}:10:12: portRules[0].ports is 0, expected a port 1-65535, or a range such as 1000-1099
${file}: 2 mistakes
`,
    });
    const json = JSON.parse((await nlb(['check', file, '--json'])).out);
    expect([json.ok, json.errors[0].path, json.errors[0].line, json.errors[0].expected]).toEqual([
      false,
      'mode',
      2,
      'routed, arp or multicast',
    ]);
  });

  test('wants the key, unless told to go without', async () => {
    const directory = freshDirectory();
    const file = join(directory, 'c.yaml');
    writeFileSync(file, changed());
    const key = join(directory, 'cluster.key');
    const elsewhere =
      `${file}:1:1: warning: This machine has none of the dedicated addresses ` +
      `of the cluster file (mail1 10.0.0.11, mail2 10.0.0.12)\n`;
    expect((await nlb(['check', file])).err).toBe(
      `${file}:1:1: keyFile: Cannot read the cluster key ${key}: there is no such file; ` +
        `copy it from another host, or make one with nlb init\n${elsewhere}${file}: 1 mistake, 1 warning\n`,
    );
    const without = await nlb(['check', file, '--no-key']);
    expect([without.code, without.err]).toEqual([0, elsewhere]);
  });

  test('says which file is not there, and which host', async () => {
    const file = join(freshDirectory(), 'none.yaml');
    const missing = `${file}:1:1: cannot be read: there is no such file; nlb init makes one\n${file}: 1 mistake\n`;
    expect(await nlb(['check', file])).toEqual({ code: 1, out: '', err: missing });
    const made = await initialised();
    const unknown = `${made.file}:1:1: There is no host mail9 in the cluster file, expected one of mail1, mail2\n`;
    expect(await nlb(['check', made.file, '--host', 'mail9'])).toEqual({
      code: 1,
      out: '',
      err: `${unknown}${made.file}: 1 mistake\n`,
    });
  });
});

describe('the command line', () => {
  test.each(Object.keys(VERBS))('nlb %s --help tells usage and exit codes', async (name) => {
    const { code, out, err } = await nlb([name, '--help']);
    expect([code, err, out.startsWith(`Usage: nlb ${name}`)]).toEqual([0, '', true]);
    expect(out).toMatch(/Exit code 0: /);
    const [head] = out.split('\nOptions:');
    expect(head!.split('\n').filter((line) => line.length > 84)).toEqual([]);
    if (name !== 'run' && name !== 'watch') expect(out).toContain('--json');
  });

  test('lists the verbs, and guesses at a wrong one', async () => {
    expect((await nlb(['--help'])).out.split('\n').filter((line) => line.startsWith('  ')).length).toBe(
      Object.keys(VERBS).length,
    );
    expect((await nlb([])).code).toBe(2);
    const guess = 'nlb qurey: there is no such verb, did you mean query? (nlb --help lists them)\n';
    expect(await nlb(['qurey'])).toEqual({ code: 2, out: '', err: guess });
    expect((await nlb(['constructor'])).code).toBe(2);
  });

  test.each([
    [['query', '--fast'], "nlb query: Unknown option '--fast'; nlb query --help tells what it takes\n"],
    [
      ['explain'],
      'nlb explain: Expected: nlb explain CLIENT[:PORT] --port PORT [--at TIME] [--all] ' +
        '[--config FILE]; nlb explain --help tells what it takes\n',
    ],
    [['explain', '10.0.0.1'], 'nlb explain: --port is missing, expected a port 1-65535\n'],
    [['explain', '10.0.0.1', '--port', '70000'], 'nlb explain: --port is 70000, expected a port 1-65535\n'],
    [
      ['explain', '10.0.0.1', '--port', '25', '--protocol', 'sctp'],
      'nlb explain: --protocol is sctp, expected tcp or udp\n',
    ],
    [
      ['stop', 'mail1'],
      "nlb stop: Unexpected argument 'mail1', expected: nlb stop [--host NAME|N | --all] " +
        '[--state-dir DIR] [--json]; nlb stop --help tells what it takes\n',
    ],
  ])('refuses %j with exit code 2', async (args, err) => expect(await nlb(args)).toEqual({ code: 2, out: '', err }));
});
