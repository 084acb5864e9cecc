import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { knock } from '../../host/edge/knock.js';
import { checkService, watchService } from '../../host/edge/service-check.js';
import type { Service, ServiceCheck } from '../../host/protocol/types.js';

const LOCAL_V2 = '0d0a0d0a000d0a515549540a20000000';
const servers: Server[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listen(onSocket: (socket: Socket) => void, where: object = { host: '127.0.50.1', port: 0 }) {
  const server = createServer((socket) => {
    // Read to the end, or the end is never noticed.
    socket.on('error', () => {}).resume();
    onSocket(socket);
  });
  servers.push(server);
  server.listen(where);
  await once(server, 'listening');
  return server;
}

function addressOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return `${address}:${port}`;
}

function service(address: string, check: Partial<ServiceCheck> = {}, rest: Partial<Service> = {}): Service {
  return {
    address,
    proxyProtocol: 'none',
    trustsNobodyByAddress: true,
    check: { kind: 'banner', expect: '220', periodMs: 5, timeoutMs: 20_000, failuresMax: 3, ...check },
    ...rest,
  };
}

describe('checkService()', () => {
  it('finds a banner, and says QUIT to a mail server', async () => {
    let said = '';
    const server = await listen((socket) => {
      socket.write('220 mail1 ready\r\n');
      socket.on('data', (bytes) => {
        said += bytes.toString();
      });
    });
    expect(await checkService(service(addressOf(server)))).toBeNull();
    await expect.poll(() => said).toBe('QUIT\r\n');
  });

  it.each([
    ['v2', LOCAL_V2],
    ['v1', Buffer.from('PROXY UNKNOWN\r\n').toString('hex')],
  ] as const)('speaks for nobody in a %s header where the service wants one', async (proxyProtocol, header) => {
    let said = '';
    const server = await listen((socket) => {
      socket.once('data', (bytes) => {
        said = bytes.toString('hex');
        socket.write('220 ready\r\n');
      });
    });
    expect(await checkService(service(addressOf(server), {}, { proxyProtocol }))).toBeNull();
    expect(said).toBe(header);
  });

  it('reaches a service on a unix socket', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'nlb-check-'));
    const path = join(directory, 'smtp.sock');
    await listen((socket) => socket.end('220 ready\r\n'), { path });
    expect(await checkService(service(`unix:${path}`))).toBeNull();
    rmSync(directory, { recursive: true });
  });

  it('names what a wrong service said', async () => {
    const server = await listen((socket) => socket.write('554 not today\r\n'));
    expect(await checkService(service(addressOf(server)))).toBe('said "554 not today\\r\\n", expected "220" first');
  });

  it('names silence, an early end and a refused connection', async () => {
    const silent = await listen(() => {});
    expect(await checkService(service(addressOf(silent), { timeoutMs: 300 }))).toMatch(
      /said nothing within 300 ms, expected "220"/,
    );
    const ending = await listen((socket) => socket.end());
    expect(await checkService(service(addressOf(ending)))).toBe('closed the connection without a word');
    expect(await checkService(service('127.0.50.1:1'))).toBe('ECONNREFUSED');
  });

  it('takes a handshake for enough where the check is connect', async () => {
    const silent = await listen(() => {});
    expect(await checkService(service(addressOf(silent), { kind: 'connect' }))).toBeNull();
  });
});

describe('watchService()', () => {
  it('calls a service down after three failures in a row and up after one success', async () => {
    let fails = false;
    let failuresInARow = 0;
    const seen: string[] = [];
    const server = await listen((socket) => {
      failuresInARow = fails ? failuresInARow + 1 : 0;
      socket.end(fails ? '554 no\r\n' : '220 ready\r\n');
    });
    const watch = watchService(service(addressOf(server)), (up) =>
      seen.push(up ? 'up' : `down after ${failuresInARow}`),
    );
    await expect.poll(() => seen).toEqual(['up']);
    fails = true;
    await expect.poll(() => seen).toEqual(['up', 'down after 3']);
    expect(watch.failure).toContain('554 no');
    fails = false;
    await expect.poll(() => seen).toEqual(['up', 'down after 3', 'up']);
    expect(watch.failure).toBeNull();
    watch.stop();
  });

  it('repeats a failed check sooner: a dead service is down before a healthy one was checked twice more', async () => {
    let healthyCheckCount = 0;
    let fails = false;
    const healthy = await listen((socket) => {
      healthyCheckCount++;
      socket.end('220 ready\r\n');
    });
    const dying = await listen((socket) => socket.end(fails ? '554 no\r\n' : '220 ready\r\n'));
    const seen: boolean[] = [];
    const check = { periodMs: 1000 };
    const watches = [
      watchService(service(addressOf(healthy), check), () => {}),
      watchService(service(addressOf(dying), check), (up) => seen.push(up)),
    ];
    await expect.poll(() => seen).toEqual([true]);
    fails = true;
    const before = healthyCheckCount;
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual([true, false]);
    expect(healthyCheckCount - before).toBeLessThanOrEqual(2);
    for (const watch of watches) watch.stop();
  });

  it('checks at once where somebody else could not connect, and once for many who could not', async () => {
    let checkCount = 0;
    const server = await listen((socket) => {
      checkCount++;
      socket.end('220 ready\r\n');
    });
    const seen: boolean[] = [];
    // The next check in its turn is an hour away.
    const check = { periodMs: 3_600_000 };
    const watch = watchService(service(addressOf(server), check), (up) => seen.push(up));
    await expect.poll(() => seen).toEqual([true]);
    for (let i = 0; i < 10; i++) watch.suspect();
    await expect.poll(() => checkCount).toBe(2);
    expect([watch.up, watch.failure, seen]).toEqual([true, null, [true]]);
    watch.stop();
    watch.suspect();
    expect(checkCount).toBe(2);
  });

  it('takes clients that wait as long as a check for failed checks of its own, once one of its own has failed', async () => {
    let answers = true;
    let checkCount = 0;
    const server = await listen((socket) => {
      checkCount++;
      if (answers) socket.end('220 ready\r\n');
    });
    const seen: string[] = [];
    // The next check in its turn is an hour away, and so is the next but one after a failure.
    const check = { periodMs: 3_600_000, timeoutMs: 1500, failuresMax: 3 };
    const watch = watchService(service(addressOf(server), check), (up, failure) => seen.push(`${up} ${failure}`));
    await expect.poll(() => seen).toEqual(['true null']);
    answers = false;
    // Five wait for 300 ms and longer, none as long as a check does.
    watch.noteWaiting((forMs) => (forMs <= 300 ? 5 : 0));
    await expect.poll(() => watch.failure).toContain('said nothing within 1500 ms');
    expect([watch.up, checkCount]).toEqual([true, 2]);
    watch.noteWaiting(() => 1);
    expect(watch.up).toBe(true);
    watch.noteWaiting(() => 2);
    expect(seen).toEqual([
      'true null',
      'false connected, but said nothing within 1500 ms, expected "220"; 2 clients have waited as long',
    ]);
    watch.stop();
  });

  it('keeps a service whose clients wait and whose checks are answered, and is not made to check it all the time', async () => {
    let checkCount = 0;
    const server = await listen((socket) => {
      checkCount++;
      socket.end('220 ready\r\n');
    });
    const seen: boolean[] = [];
    const watch = watchService(service(addressOf(server), { periodMs: 3_600_000 }), (up) => seen.push(up));
    await expect.poll(() => seen).toEqual([true]);
    for (let i = 0; i < 50; i++) {
      watch.noteWaiting(() => 100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => checkCount).toBe(2);
    expect([watch.up, watch.failure, seen]).toEqual([true, null, [true]]);
    watch.stop();
  });

  it('does not doubt a service that need not speak first', async () => {
    let checkCount = 0;
    const server = await listen(() => void checkCount++);
    const seen: boolean[] = [];
    const check = { kind: 'connect' as const, periodMs: 3_600_000 };
    const watch = watchService(service(addressOf(server), check), (up) => seen.push(up));
    await expect.poll(() => [seen.length, checkCount]).toEqual([1, 1]);
    watch.noteWaiting(() => 100);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(checkCount).toBe(1);
    watch.stop();
  });

  it('never calls a service up that has not answered yet', async () => {
    const seen: boolean[] = [];
    const watch = watchService(service('127.0.50.1:1'), (up) => seen.push(up));
    await expect.poll(() => seen).toEqual([false]);
    watch.stop();
  });
});

describe('knock()', () => {
  it('comes from our own address, with a LOCAL header, and wants "alive" back', async () => {
    let from = '';
    let said = '';
    const server = await listen((socket) => {
      from = socket.remoteAddress ?? '';
      socket.on('data', (bytes) => {
        said += bytes.toString('hex');
        if (said.length >= LOCAL_V2.length + 'alive'.length * 2) socket.write('alive');
      });
    });
    const { port } = server.address() as AddressInfo;
    expect(await knock('127.0.50.7', '127.0.50.1', port, 1000)).toBeNull();
    expect(from).toBe('127.0.50.7');
    expect(said).toBe(LOCAL_V2 + Buffer.from('alive').toString('hex'));
  });

  it('does not take a handshake for an answer (an Envoy stopped by SIGSTOP still completes it)', async () => {
    const server = await listen(() => {});
    const { port } = server.address() as AddressInfo;
    expect(await knock('127.0.50.7', '127.0.50.1', port, 50)).toMatch(/said nothing within 50 ms/);
  });
});
