/** Small files of host/edge that touch little: who listens, which Envoy, what Envoy says, the log, the heartbeat socket. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseListenerErrors, parseStats } from '../../host/edge/envoy-admin.js';
import { cachedEnvoyPath, findEnvoy } from '../../host/edge/envoy-binary.js';
import { startDelayMs } from '../../host/edge/envoy-minder.js';
import {
  holderOf,
  listeningLines,
  listeningSockets,
  parseProcNet,
  takenBy,
  takenPorts,
} from '../../host/edge/listening.js';
import { createLog } from '../../host/edge/log.js';
import { openFilesMax } from '../../host/edge/open-files.js';
import { trafficOf } from '../../host/edge/traffic.js';
import { openUdp } from '../../host/edge/udp.js';

describe('who listens', () => {
  it('reads listening sockets of both families from /proc, IPv4-mapped ones as IPv4', () => {
    const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
    const lines = [
      '   0: 0B00000A:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0',
      '   1: 0B00000A:0019 0C00000A:D431 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1',
      '   2: 0000000000000000FFFF00000100007F:1DC4 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0',
      '   3: B80D0120000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4714 1 0 100 0 0 10 0',
    ];
    expect(parseProcNet(`${head}${lines.join('\n')}\n`)).toEqual([
      { address: '10.0.0.11', port: 25, inode: '4711' },
      { address: '127.0.0.1', port: 7620, inode: '4713' },
      { address: '2001:db8::1', port: 25, inode: '4714' },
    ]);
  });

  it('reads no more of /proc than the listening sockets, which come first, however many connections follow', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'nlb-proc-'));
    const line = (port: string, state: string) =>
      `   0: 0B00000A:${port} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n`;
    const listening = Array.from({ length: 2000 }, (_, i) => line((i + 4096).toString(16).toUpperCase(), '0A'));
    const connections = line('0019', '01').repeat(5000);
    const path = join(directory, 'tcp');
    writeFileSync(path, `  sl  local_address\n${listening.join('')}${connections}`);
    const read = await listeningLines(path);
    rmSync(directory, { recursive: true });
    expect(parseProcNet(read).map(({ port }) => port)).toEqual(listening.map((_, i) => i + 4096));
    expect(read.length).toBeLessThan(listening.join('').length + connections.length / 3);
    expect(await listeningLines(path)).toBe('');
  });

  it('counts a listener on all addresses as one on ours', () => {
    const sockets = [
      { address: '0.0.0.0', port: 25, inode: '1' },
      { address: '::', port: 26, inode: '2' },
      { address: '10.0.0.12', port: 27, inode: '3' },
    ];
    const wanted = [25, 26, 27].map((port) => ({ address: '10.0.0.11', port }));
    expect(takenBy(wanted, sockets).map(({ inode }) => inode)).toEqual(['1', '2']);
  });

  it('names a port that somebody listens on, also with SO_REUSEPORT as Envoy does, and no free one', async () => {
    const program = `import socket,sys
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("127.0.50.3", 0)); s.listen(); print(s.getsockname()[1], flush=True); sys.stdin.read()`;
    const other = spawn('python3', ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
    const port = Number(String((await once(other.stdout, 'data'))[0]));
    const ask = () => takenPorts([{ address: '127.0.50.3', port }]);
    expect(await ask()).toEqual([`127.0.50.3 TCP port ${port} is taken by python3 (process ${other.pid})`]);
    other.stdin.end();
    await once(other, 'exit');
    expect(await ask()).toEqual([]);
  });

  it('names the process behind a port', async () => {
    const server = createServer().listen(0, '127.0.50.3');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const [socket] = takenBy([{ address: '127.0.50.3', port }], await listeningSockets());
    expect(holderOf(socket!)).toContain(`(process ${process.pid})`);
    server.close();
  });
});

describe('findEnvoy()', () => {
  let directory = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'nlb-envoy-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  function fakeEnvoy(path: string, version: string): string {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, `#!/bin/sh\necho "envoy  version: 9e55/${version}/Clean/RELEASE/BoringSSL"\n`);
    chmodSync(path, 0o755);
    return path;
  }
  const environment = (rest: object) => ({
    ENVOY_NLB_CACHE: join(directory, 'cache'),
    PATH: join(directory, 'bin'),
    ...rest,
  });

  it('looks at ENVOY_BIN, PATH and the cache, in this order', async () => {
    const cached = fakeEnvoy(cachedEnvoyPath(environment({})), '1.40.0');
    expect(await findEnvoy(environment({ PATH: '' }))).toEqual({ path: cached, version: '1.40.0', foundBy: 'cache' });
    const onPath = fakeEnvoy(join(directory, 'bin/envoy'), '1.41.2');
    const PATH = `${join(directory, 'bin')}:/usr/bin:/bin`;
    expect(await findEnvoy(environment({ PATH }))).toMatchObject({ path: onPath, foundBy: 'PATH' });
    const named = fakeEnvoy(join(directory, 'own'), '1.40.1');
    expect(await findEnvoy(environment({ PATH, ENVOY_BIN: named }))).toMatchObject({
      path: named,
      foundBy: 'ENVOY_BIN',
    });
  });

  it('says every place it looked at where there is none', async () => {
    await expect(findEnvoy(environment({}))).rejects.toMatchObject({
      code: 'ENVOY_NOT_FOUND',
      message: expect.stringMatching(/ENVOY_BIN is not set.*PATH has no envoy.*cache.*npm run setup/),
    });
  });

  it('refuses one that is too old, unless the cache has a newer one', async () => {
    const PATH = `${join(directory, 'bin')}:/usr/bin:/bin`;
    fakeEnvoy(join(directory, 'bin/envoy'), '1.22.11');
    await expect(findEnvoy(environment({ PATH }))).rejects.toMatchObject({
      code: 'ENVOY_TOO_OLD',
      message: expect.stringMatching(/bin\/envoy \(from PATH\) is version 1\.22\.11, expected 1\.40\.0 or newer/),
    });
    fakeEnvoy(cachedEnvoyPath(environment({})), '1.40.0');
    expect(await findEnvoy(environment({ PATH }))).toMatchObject({ foundBy: 'cache' });
  });

  it('does not look further where ENVOY_BIN is wrong', async () => {
    fakeEnvoy(cachedEnvoyPath(environment({})), '1.40.0');
    await expect(findEnvoy(environment({ ENVOY_BIN: '/nowhere/envoy' }))).rejects.toMatchObject({
      message: expect.stringContaining('ENVOY_BIN names /nowhere/envoy'),
    });
  });
});

describe('what Envoy says', () => {
  it('names the listeners that Envoy refused, once for each reason, though Envoy repeats them without a name', () => {
    const because = (details: string, name?: string) => ({ name, error_state: { details } });
    const configs = [
      because('no file', 'nlb.handoff'),
      { name: 'nlb.rule.smtp' },
      because('no file', 'nlb.rule.sticky'),
      because('no file'),
      because('Address already in use'),
    ];
    expect(parseListenerErrors(JSON.stringify({ configs }))).toEqual([
      'nlb.handoff, nlb.rule.sticky: no file',
      'Address already in use',
    ]);
    expect(parseListenerErrors('{}')).toEqual([]);
  });

  it('becomes counts by rule, owner and reason', () => {
    const stats = parseStats(
      [
        'wasmcustom.nlb.smtp.served_here: 7',
        'wasmcustom.nlb.smtp.handed_off.mail2: 5',
        'wasmcustom.nlb.smtp.refused.disabled: 1',
        'wasmcustom.nlb.smtps.served_here: 99',
        'tcp.nlb_fallback.smtp.owner_silent.downstream_cx_total: 2',
        'tcp.nlb_handoff.smtp.downstream_cx_total: 6',
        'cluster.nlb.service.smtp.membership_healthy: 0',
        'listener.nlb_rule.smtp.downstream_cx_active: 3',
        'cluster.nlb.service.smtp.upstream_cx_active: 4',
        'listener_manager.lds.version_text: "ab: cd"',
        'server.some_histogram: P0(nan,1) P50(nan,2)',
      ].join('\n'),
    );
    expect(stats.get('listener_manager.lds.version_text')).toBe('ab: cd');
    expect(trafficOf('smtp', stats)).toEqual({
      servedHereCount: 7,
      handedOffCounts: new Map([['mail2', 5]]),
      fallbackCount: 2,
      refusedCounts: { disabled: 1 },
      enteredOpenCount: 3,
      servedOpenCount: 4,
      handedToUsCount: 6,
      isGateOpen: false,
    });
  });

  it('waits longer before each start in a row, at most 10 s', () => {
    expect([0, 1, 2, 3, 10].map(startDelayMs)).toEqual([0, 250, 500, 1000, 10_000]);
  });

  it('has the hard limit of open files', () => {
    const limits =
      'Max processes 1 2 processes\nMax open files            1024                 20000                files\n';
    expect(openFilesMax(limits)).toBe(20_000);
    expect(openFilesMax('Max open files            1024                 unlimited            files\n')).toBe(1_048_576);
  });
});

describe('createLog()', () => {
  it('says the same thing once a minute, with a count, and each message in one line', () => {
    const lines: string[] = [];
    let nowMs = 0;
    const log = createLog({ nowMs: () => nowMs, wallIso: () => 'T' }, (line) => lines.push(line));
    log.error('two\nlines');
    for (let i = 0; i < 100; i++) log.repeating('warning', 'udp', `EPERM ${i}`);
    expect(lines).toEqual(['T error: two | lines\n', 'T warning: EPERM 0\n']);
    nowMs = 60_000;
    log.flush();
    expect(lines[2]).toBe('T warning: EPERM 99 (99 more since then)\n');
  });

  it('forgets nothing when there are more than 200 topics', () => {
    const lines: string[] = [];
    const log = createLog({ nowMs: () => 0, wallIso: () => 'T' }, (line) => lines.push(line));
    for (let i = 0; i < 300; i++) log.repeating('info', `topic ${i}`, `text ${i}`);
    expect(lines).toHaveLength(300);
  });
});

describe('openUdp()', () => {
  const quiet = { onPacket: () => {}, onError: () => {} };

  it('brings a packet with its sender', async () => {
    const packets: string[] = [];
    const one = await openUdp('127.0.50.4', 7654, {
      ...quiet,
      onPacket: (from, port, bytes) => packets.push(`${from}:${port} ${Buffer.from(bytes)}`),
    });
    const two = await openUdp('127.0.50.5', 7654, quiet);
    two.send('127.0.50.4', 7654, Buffer.from('hello'));
    await expect.poll(() => packets).toEqual(['127.0.50.5:7654 hello']);
    await Promise.all([one.close(), two.close()]);
  });

  it('makes a failed send an event and goes on', async () => {
    const errors: string[] = [];
    const socket = await openUdp('127.0.50.4', 7654, { ...quiet, onError: (code, to) => errors.push(`${code} ${to}`) });
    socket.send('192.0.2.1', 7654, Buffer.alloc(70_000));
    await expect.poll(() => errors).toEqual(['EMSGSIZE 192.0.2.1']);
    expect(socket.pendingCount).toBe(0);
    await socket.close();
  });

  it('names a port that is taken, and an address that is not here', async () => {
    const one = await openUdp('127.0.50.4', 7654, quiet);
    await expect(openUdp('127.0.50.4', 7654, quiet)).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringMatching(/127\.0\.50\.4 UDP port 7654: another process has it/),
    });
    await expect(openUdp('192.0.2.1', 7654, quiet)).rejects.toThrow('this machine does not have the address 192.0.2.1');
    await one.close();
  });
});
