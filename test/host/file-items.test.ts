/** Two cluster files that differ: whatever it is in, both hosts name it with both values. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fingerprintOf } from '../../host/protocol/config/index.js';
import { type Difference, differencesIn, differenceText, fileParts } from '../../host/protocol/file-items.js';
import type { ClusterFile } from '../../host/protocol/types.js';
import { fileOf } from './config-fixture.js';

/** Everything that a file can have in one mode. */
const FULL = `cluster: mail.example.org
mode: arp
virtualIps: [10.0.0.100, 10.0.0.101]
hashSeed: 0x5eed1234
ipv6PrefixLength: 56
keyFile: the.key
interface: {mail1: eth0, mail2: ens3}
failback: 02:00-04:00
outgoing: virtualIp
heartbeat: {periodMs: 500, missedMax: 6}
ports: {heartbeat: 7000, handoff: 7001, channel: 7002, page: 7003, redirect: 7004}
remoteControl: {port: 7005, certificate: a.crt, privateKey: a.key, names: [a.example.org]}
connectionLog: {path: /var/log/nlb.log, format: json, maxMiB: 5}
hosts:
  - {name: mail1, priority: 1, dedicatedIp: 10.0.0.11, initialState: stopped}
  - {name: mail2, priority: 2, dedicatedIp: 10.0.0.12, persistedStates: [suspended]}
portRules:
  - name: rdp
    virtualIp: 10.0.0.100
    ports: 3389
    affinity: single
    loadWeight: {mail1: 60, mail2: 40}
    stickFor: 30m
    failback: slowly 10m
    ownerPatienceMs: 700
    service:
      address: '127.0.0.1:3390'
      proxyProtocol: v2
      check: {kind: banner, expect: x, periodMs: 700, timeoutMs: 600, failuresMax: 4}
  - name: web
    ports: 80-89
    filteringMode: single
    handlingPriority: {mail1: 2, mail2: 1}
    service: {address: '127.0.0.1:{port}', proxyProtocol: v1, check: {kind: connect, port: 81}}
  - {name: off, ports: 99, filteringMode: disabled}
`;

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const full = fileOf(FULL);

type Path = (string | number)[];
/** Every single value of a file, and every key that may be left out. */
function leaves(value: unknown, path: Path = []): Path[] {
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([key, each]) =>
    leaves(each, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

const OPTIONAL: Path[] = [
  ...[['remoteControl'], ['connectionLog'], ['ports', 'redirect'], ['hosts', 0, 'initialState']],
  ...[
    ['hosts', 1, 'persistedStates'],
    ['portRules', 0, 'stickForMs'],
    ['portRules', 0, 'failbackMs'],
  ],
  ...[
    ['portRules', 1, 'service', 'check', 'port'],
    ['hosts', 1],
    ['portRules', 2],
    ['virtualIps', 1],
  ],
];

/** As a number, text or truth of the same kind; `null` for leaving it out. */
function changed(path: Path, isLeftOut = false): ClusterFile {
  const file = structuredClone(full) as unknown as Record<string | number, never>;
  const [last, ...way] = [...path].reverse();
  const parent = way.reverse().reduce((each, key) => each[key]!, file) as unknown as Record<string | number, unknown>;
  const value = parent[last!];
  if (!isLeftOut) parent[last!] = other(value);
  else if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last!];
  return file as unknown as ClusterFile;
}

function other(value: unknown): unknown {
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  return value === null ? 'x' : `${String(value)}x`;
}

const differences = (host: string, theirs: ClusterFile, own: ClusterFile): Difference[] =>
  fileParts(theirs).flatMap((part) => differencesIn(host, part, own));

/** What the cluster is called is in every packet; another one's files are never read. */
const compared = leaves(full).filter((path) => path[0] !== 'clusterName' && path.at(-1) !== 'service');

describe('differencesIn()', () => {
  test.each([
    ...compared.map((path) => ({ what: `another ${path.join('.')}`, path, isLeftOut: false })),
    ...OPTIONAL.map((path) => ({ what: `no ${path.join('.')}`, path, isLeftOut: true })),
  ])('names $what on both sides', ({ path, isLeftOut }) => {
    const odd = changed(path, isLeftOut);
    expect(fingerprintOf(odd, sha256)).not.toBe(fingerprintOf(full, sha256));
    const [there, here] = [differences('mail2', odd, full), differences('mail1', full, odd)];
    expect([there.length > 0, here.length > 0], JSON.stringify([there, here])).toEqual([true, true]);
  });

  test('finds none where there is none', () => {
    expect(differences('mail2', structuredClone(full), full)).toEqual([]);
  });

  test.each<[string, (file: ClusterFile) => void, string]>([
    [
      'a time that one file does not have',
      (file) => void delete file.portRules[0]!.stickForMs,
      'host mail2: port rule rdp has stickFor none, the cluster has 30m',
    ],
    [
      'a part that one file does not have',
      (file) => void delete file.remoteControl,
      'host mail2 has remoteControl off, the cluster has on',
    ],
    [
      'a service that is somewhere else',
      (file) => void Object.assign(file.portRules[0]!.service!, { address: '127.0.0.1:9' }),
      'host mail2: port rule rdp has service address 127.0.0.1:9, the cluster has 127.0.0.1:3390',
    ],
    [
      'rules in another order',
      (file) => void file.portRules.reverse(),
      'host mail2: its file has the port rules as off, web, rdp, that of the cluster as rdp, web, off',
    ],
    [
      'another state at the start',
      (file) => void delete file.hosts[0]!.initialState,
      'host mail2: the initialState of mail1 is started, the cluster has stopped',
    ],
  ])('says it in one sentence: %s', (_, change, text) => {
    const odd = structuredClone(full);
    change(odd);
    expect(differences('mail2', odd, full).map((each) => differenceText(each, false))).toEqual([text]);
  });
});
