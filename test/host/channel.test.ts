/** The host channel between two hosts on loopback: who is let in, and how every question ends. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { HostChannel } from '../../host/channel/channel.js';
import { handoffIdentity } from '../../host/edge/cluster-identity.js';
import type { ClusterKey, ClusterKeys } from '../../host/edge/key-file.js';
import type { HostConfig } from '../../host/protocol/types.js';

const PORT = 7694;
const CLUSTER = 'mail.example.org';
const hosts: HostConfig[] = [1, 2, 3].map((n) => ({ name: `mail${n}`, priority: n, dedicatedIp: `127.0.94.${n}` }));
const [mail1, mail2, mail3] = hosts as [HostConfig, HostConfig, HostConfig];

const key = (id: number): ClusterKey => ({ id, bytes: new Uint8Array(32).fill(id) });
const keys = (sealing: ClusterKey, ...others: ClusterKey[]): ClusterKeys => ({ sealing, valid: [sealing, ...others] });

const said: string[] = [];
const nothing = () => {};
const log = { info: nothing, warning: nothing, error: nothing, flush: nothing, identify: nothing };
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  said.length = 0;
});

function channel(self: HostConfig, clusterKeys = keys(key(1)), known: () => HostConfig[] = () => hosts): HostChannel {
  const made = new HostChannel({
    self,
    clusterName: CLUSTER,
    keys: clusterKeys,
    port: PORT,
    hosts: known,
    log: { ...log, repeating: (_level, _topic, text) => void said.push(text) },
  });
  open.push(made);
  return made;
}

async function listener(self: HostConfig, clusterKeys?: ClusterKeys, known?: () => HostConfig[]): Promise<HostChannel> {
  const made = channel(self, clusterKeys, known);
  made.on('echo', async ({ from, method, url, body }) => ({
    code: 200,
    body: { from, method, path: url.pathname, asked: url.search, body },
  }));
  made.on('never', () => new Promise(() => {}));
  made.on('broken', async () => {
    throw new Error('something of ours');
  });
  await made.open();
  return made;
}

describe('HostChannel', () => {
  it('carries a question with its body to the host of that name, which knows who asks', async () => {
    await listener(mail2);
    const answer = await channel(mail1).ask('mail2', { method: 'POST', path: '/echo/a?b=1', body: { c: [1, 'ü'] } });
    const body = { from: 'mail1', method: 'POST', path: '/echo/a', asked: '?b=1', body: { c: [1, 'ü'] } };
    expect(answer).toEqual({ code: 200, body });
  });

  it('says what it does not know, and what went wrong, as an answer', async () => {
    await listener(mail2);
    const asking = channel(mail1);
    expect(await asking.ask('mail2', { method: 'GET', path: '/nothing' })).toMatchObject({
      code: 404,
      body: { ok: false },
    });
    expect(await asking.ask('mail2', { method: 'GET', path: '/broken' })).toEqual({
      code: 500,
      body: { ok: false, text: 'Cannot answer /broken: something of ours' },
    });
  });

  it('refuses a body that is too long, and goes on', async () => {
    await listener(mail2);
    const asking = channel(mail1);
    const long = 'x'.repeat(5_000_000);
    const answer = asking.ask('mail2', { method: 'POST', path: '/echo', body: long });
    await expect(
      answer.then(
        ({ code }) => code,
        () => 400,
      ),
    ).resolves.toBe(400);
    expect(await asking.ask('mail2', { method: 'GET', path: '/echo' })).toMatchObject({ code: 200 });
  });

  it('turns away who has another cluster key, whoever asks', async () => {
    await listener(mail2);
    const reason = 'host mail2 does not answer: it has another cluster key';
    await expect(channel(mail1, keys(key(9))).ask('mail2', { method: 'GET', path: '/echo' })).rejects.toThrow(reason);
  });

  it('turns away a host that shows no certificate, or one of the handoffs', async () => {
    await listener(mail2);
    const { certificatePem: cert, privateKeyPem } = handoffIdentity(Buffer.from(key(1).bytes), CLUSTER);
    for (const shown of [{}, { cert, key: privateKeyPem }]) {
      const options = {
        host: mail2.dedicatedIp,
        port: PORT,
        localAddress: mail1.dedicatedIp,
        rejectUnauthorized: false,
      };
      const socket = tlsConnect({ ...options, ...shown }).on('error', nothing);
      socket.write('GET /echo HTTP/1.1\r\nhost: x\r\n\r\n');
      let answer = '';
      socket.on('data', (bytes) => {
        answer += bytes;
      });
      await once(socket, 'close');
      expect(answer).toBe('');
    }
    expect(said).toHaveLength(2);
    expect(said[0]).toBe(
      'Host channel: 127.0.94.1 was turned away: its certificate is not made of a valid cluster key',
    );
  });

  it('turns away an address of no host, and a host that was taken out', async () => {
    const known = [...hosts];
    await listener(mail2, undefined, () => known);
    const stranger = channel({ name: 'mail4', priority: 4, dedicatedIp: '127.0.94.4' });
    await expect(stranger.ask('mail2', { method: 'GET', path: '/echo' })).rejects.toThrow('it closed the connection');
    expect(said).toEqual(['Host channel: 127.0.94.4 was turned away: its address is of no host of this cluster']);
    expect(await channel(mail3).ask('mail2', { method: 'GET', path: '/echo' })).toMatchObject({ code: 200 });
    known.pop();
    await expect(channel(mail3).ask('mail2', { method: 'GET', path: '/echo' })).rejects.toThrow(
      'it closed the connection',
    );
  });

  it.each([
    ['added', keys(key(1)), keys(key(1), key(2))],
    ['made the first', keys(key(1), key(2)), keys(key(2), key(1))],
    ['left alone', keys(key(2), key(1)), keys(key(2))],
  ])('keeps hosts together while a new key is %s on one after another', async (_step, before, after) => {
    const [first, second] = [await listener(mail1, before), await listener(mail2, after)];
    expect(await first.ask('mail2', { method: 'GET', path: '/echo' })).toMatchObject({ code: 200 });
    expect(await second.ask('mail1', { method: 'GET', path: '/echo' })).toMatchObject({ code: 200 });
  });

  it('shows and accepts other keys from the moment it is given them', async () => {
    const [first, second] = [await listener(mail1), await listener(mail2)];
    second.useKeys(keys(key(2)));
    await expect(first.ask('mail2', { method: 'GET', path: '/echo' })).rejects.toThrow('it has another cluster key');
    first.useKeys(keys(key(2)));
    expect(await first.ask('mail2', { method: 'GET', path: '/echo' })).toMatchObject({ code: 200 });
  });

  it('gives up on a host that answers nothing, and on one where nobody listens', async () => {
    await listener(mail2);
    const asking = channel(mail1);
    await expect(asking.ask('mail2', { method: 'GET', path: '/never', timeoutMs: 2000 })).rejects.toThrow(
      'host mail2 does not answer: no answer within 2 s',
    );
    await expect(asking.ask('mail3', { method: 'GET', path: '/echo' })).rejects.toThrow(
      'host mail3 does not answer: nobody listens there; its sidecar does not run',
    );
    await expect(asking.ask('mail9', { method: 'GET', path: '/echo' })).rejects.toThrow(
      'the cluster file does not list it',
    );
    const mute = await silentServer(mail3.dedicatedIp);
    await expect(asking.ask('mail3', { method: 'GET', path: '/echo', timeoutMs: 200 })).rejects.toThrow(
      'no connection within 0.2 s',
    );
    mute.close();
  });

  it('names the port that another process has', async () => {
    await listener(mail2);
    const text = `Cannot open the host channel on 127.0.94.2 TCP port ${PORT}: another process has it`;
    await expect(channel(mail2).open()).rejects.toThrow(text);
  });
});

async function silentServer(address: string): Promise<Server> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket)).listen(PORT, address);
  server.on('close', nothing);
  await once(server, 'listening');
  open.push({
    close: async () => {
      for (const socket of sockets) socket.destroy();
    },
  });
  return server;
}
