/** A terminal that remembers, and a sidecar that says what it is told to. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { RuleControl } from '../../host/protocol/types.js';
import type { ClusterStatus } from '../../host/admin/status.js';
import { dispatch } from '../../host/cli/dispatch.js';

export interface Said {
  code: number;
  out: string;
  err: string;
}

/** Runs one command line. `answers` are typed by the person, where there is one. */
export async function nlb(
  args: readonly string[],
  env: Record<string, string> = {},
  answers: string[] | null = null,
): Promise<Said> {
  const said: Said = { code: -1, out: '', err: '' };
  const left = [...(answers ?? [])];
  said.code = await dispatch(args, {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    ask: answers === null ? null : async () => left.shift() ?? '',
    env,
  });
  return said;
}

const directories: string[] = [];
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true });
});

/** Gone when the tests of the file are done. */
export function freshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'nlb-cli-'));
  directories.push(directory);
  return directory;
}

export interface FakeSidecar {
  /** Method and path of every request. */
  asked: string[];
  /** Of those still waited for: neither answered nor given up. */
  open: Set<string>;
  close(): Promise<void>;
}

export interface FakeAnswer {
  code: number;
  body: unknown;
  /** Not before that. */
  after?: Promise<unknown>;
}

/** Listens on `directory`/nlb.sock; `answers` by method and path. */
export async function fakeSidecar(directory: string, answers: Record<string, FakeAnswer>): Promise<FakeSidecar> {
  mkdirSync(directory, { recursive: true });
  const asked: string[] = [];
  const open = new Set<string>();
  const server: Server = createServer(async (request, response) => {
    const key = `${request.method} ${request.url}`;
    asked.push(key);
    open.add(key);
    response.once('close', () => open.delete(key));
    const nothing: FakeAnswer = { code: 404, body: { ok: false, text: `nothing at ${key}` } };
    const { code, body, after } = answers[key] ?? nothing;
    await after;
    response.writeHead(code);
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(join(directory, 'nlb.sock'), resolve));
  return { asked, open, close: () => new Promise((resolve) => void server.close(() => resolve())) };
}

const SINCE = '2026-11-22T21:04:19.123Z';

/** Three hosts: this one, one that is lost, one whose service is down. */
export function statusFixture(): ClusterStatus {
  const host = { since: SINCE, isDefaultHost: false, isThisHost: false, detail: null };
  const rule = {
    virtualIp: null,
    protocol: 'tcp',
    control: 'enabled',
    handedToUsCount: 0,
    fallbackCount: 0,
    refusedCounts: {},
    openCount: 0,
    servedOpenCount: 0,
  } as const;
  const part = {
    control: 'enabled' as RuleControl | null,
    takesPart: true,
    absence: null,
    loadWeight: 50,
    handlingPriority: 0,
    connectionCount: 0,
    measuredShare: 0,
  };
  return {
    clusterName: 'mail.example.org',
    mode: 'routed',
    thisHost: 'mail1',
    state: 'converged',
    view: {
      number: 7,
      checksum: '0123456789abcdef',
      fingerprint: 'a1c67144a90125c1',
      since: SINCE,
      cause: 'hostHeard',
    },
    drain: null,
    lostSince: ['mail2'],
    hosts: [
      {
        ...host,
        name: 'mail1',
        priority: 1,
        dedicatedIp: '10.0.0.11',
        state: 'converged',
        isDefaultHost: true,
        isThisHost: true,
      },
      {
        ...host,
        name: 'mail2',
        priority: 2,
        dedicatedIp: '10.0.0.12',
        state: 'lost',
        detail: 'no heartbeat since 21:04:17',
      },
      { ...host, name: 'mail3', priority: 3, dedicatedIp: '10.0.0.13', state: 'converged' },
    ],
    rules: [
      {
        ...rule,
        name: 'smtp',
        portFirst: 25,
        portLast: 25,
        filteringMode: 'multiple',
        affinity: 'single',
        fallbackCount: 1,
        refusedCounts: { nobody: 2 },
        openCount: 3,
        servedOpenCount: 2,
        hosts: [
          { ...part, host: 'mail1', expectedShare: 1, connectionCount: 30, measuredShare: 0.75 },
          {
            ...part,
            host: 'mail2',
            takesPart: false,
            absence: 'lost',
            expectedShare: 0,
            connectionCount: 10,
            measuredShare: 0.25,
          },
          { ...part, host: 'mail3', takesPart: false, absence: 'serviceDown', loadWeight: 0, expectedShare: 0 },
        ],
      },
      {
        ...rule,
        name: 'db',
        portFirst: 1000,
        portLast: 1099,
        filteringMode: 'single',
        affinity: 'none',
        hosts: [{ ...part, host: 'mail1', loadWeight: 0, handlingPriority: 2, expectedShare: 1, measuredShare: null }],
      },
    ],
    virtualIp: null,
    envoy: { state: 'serving', pid: 4711, version: '1.40.0', tookConfiguration: true, detail: null },
    file: {
      path: '/etc/envoy-nlb/cluster.yaml',
      fingerprint: 'a1c67144a90125c1',
      revision: 3,
      offered: null,
      detail: null,
    },
    droppedPackets: { wrongMac: 4, malformed: 0 },
    problems: [
      {
        since: SINCE,
        text: 'The service of port rule smtp does not answer on mail3',
        cause: null,
        host: 'mail3',
        todo: null,
      },
    ],
    startedAt: SINCE,
  };
}
