/** The pure parts of config distribution: what differs, what is fit, what is sealed. */
import { describe, expect, it } from 'vitest';
import { differenceOf } from '../../host/apply/difference.js';
import { drainedBy } from '../../host/apply/drained.js';
import { noQuorum, unfitFor } from '../../host/apply/fit.js';
import { openRevision, type Revision, sealRevision } from '../../host/apply/revision.js';
import type { ClusterKeys } from '../../host/edge/key-file.js';
import type { ClusterFile } from '../../host/protocol/types.js';
import { makeFile } from '../sim/files.js';

const before = makeFile({ hostCount: 3 }).file;
/** The file as `change` makes it. */
function changed(change: (file: ClusterFile) => void): ClusterFile {
  const file = structuredClone(before);
  change(file);
  return file;
}

describe('differenceOf()', () => {
  it('says nothing of equal files', () =>
    expect(
      differenceOf(
        before,
        changed(() => {}),
      ),
    ).toEqual([]));

  it('names each single value with both', () => {
    const after = changed((file) => {
      file.heartbeat.periodMs = 500;
      file.hosts[1]!.priority = 9;
      Object.assign(file.portRules[0]!, {
        affinity: 'none',
        loadWeights: { ...file.portRules[0]!.loadWeights, mail2: 7 },
      });
      file.virtualIps.push('192.0.2.1', '192.0.2.2');
    });
    expect(differenceOf(before, after)).toEqual([
      'virtualIps none -> 192.0.2.1 192.0.2.2',
      'heartbeat periodMs 1000 -> 500',
      'host mail2: priority 2 -> 9',
      'port rule smtp: affinity single -> none',
      'port rule smtp: loadWeights mail2 50 -> 7',
    ]);
  });

  it('names what comes, what goes, and rules in another order', () => {
    const after = changed((file) => {
      file.hosts[2] = { name: 'mail4', priority: 4, dedicatedIp: '10.0.0.4' };
      file.portRules.reverse();
      file.portRules.push({ ...file.portRules[0]!, name: 'more' });
    });
    expect(differenceOf(before, after)).toEqual([
      'host mail3 is taken out',
      'host mail4 is added',
      'port rule more is added',
      'order of port rules smtp, single -> single, smtp',
    ]);
  });
});

describe('drainedBy()', () => {
  it('says nothing of what leaves listeners as they are', () => {
    const after = changed((file) => {
      Object.assign(file.portRules[0]!, { affinity: 'none', loadWeights: { mail1: 1, mail2: 2, mail3: 3 } });
      file.portRules.push({ ...file.portRules[0]!, name: 'more', portFirst: 99, portLast: 99 });
      file.portRules[1]!.portLast = 30;
      file.heartbeat.periodMs = 500;
    });
    expect(drainedBy(before, after, 'mail1')).toEqual([]);
  });

  it('names the rules whose listeners change', () => {
    const after = changed((file) => {
      file.portRules[0]!.ownerPatienceMs = 500;
    });
    const sentence = (rule: string) => `port rule ${rule}: its open connections are drained, as its listener changes`;
    expect(drainedBy(before, after, 'mail2')).toEqual([sentence('smtp')]);
    const fewer = changed((file) => {
      Object.assign(file.portRules[1]!, { portFirst: 40, portLast: 40 });
    });
    expect(drainedBy(before, fewer, 'mail2')).toEqual([sentence('single')]);
  });
});

describe('unfitFor()', () => {
  it.each<[string, (file: ClusterFile) => void, string]>([
    ['a host that is not listed', (file) => void file.hosts.shift(), 'the file does not list host mail1'],
    [
      'another address',
      (file) => void Object.assign(file.hosts[0]!, { dedicatedIp: '10.0.0.9' }),
      'the dedicated IP of mail1 is 10.0.0.1, ',
    ],
    [
      'another name',
      (file) => void Object.assign(file, { clusterName: 'x.example' }),
      'the cluster is mail.example.org, the file says x.example',
    ],
    [
      'another key file',
      (file) => void Object.assign(file, { keyFile: 'new.key' }),
      'keyFile is cluster.key, the file says new.key',
    ],
    ['another mode', (file) => void Object.assign(file, { mode: 'arp' }), 'mode is routed, the file says arp'],
    [
      'another port',
      (file) => void Object.assign(file.ports, { page: 80 }),
      'ports.page is 7622, the file says 80: sidecars read that at their',
    ],
  ])('refuses %s', (_what, change, text) => expect(unfitFor(before, changed(change), 'mail1')).toContain(text));

  it('takes everything else', () => {
    const after = changed((file) => {
      file.hosts[1]!.dedicatedIp = '10.0.0.9';
      file.heartbeat.periodMs = 100;
      file.portRules.pop();
    });
    expect(unfitFor(before, after, 'mail1')).toBeNull();
  });
});

describe('noQuorum()', () => {
  const of = (hostCount: number, asked: string[]) => noQuorum(makeFile({ hostCount }).file, asked);
  it('wants more than half of the hosts', () => {
    expect(of(3, ['mail2', 'mail3'])).toBeNull();
    expect(of(3, ['mail1'])).toBe('1 of 3 hosts are too few to change the cluster file, expected more than half');
    expect(of(1, ['mail1'])).toBeNull();
  });

  it('gives half of an even number to the side of the host of highest priority, and so never to both', () => {
    expect(of(2, ['mail1'])).toBeNull();
    expect(of(2, ['mail2'])).toMatch(/^1 of 2 hosts are too few .* more than half, or half of them with mail1$/);
    expect(of(4, ['mail4', 'mail1'])).toBeNull();
    expect(of(4, ['mail2', 'mail3'])).not.toBeNull();
  });
});

describe('a sealed revision', () => {
  const key = (id: number) => ({ id, bytes: new Uint8Array(32).fill(id) });
  const keys = (...all: number[]): ClusterKeys => ({ sealing: key(all[0]!), valid: all.map(key) });
  const revision: Revision = {
    revision: 4,
    fingerprint: '0123456789abcdef',
    text: 'cluster: mail.example.org\n',
    cause: 'applied',
    by: 'root on mail1',
    at: '2026-11-23T08:00:00.000Z',
    without: ['mail3'],
    confirmMs: null,
  };
  const sealed = sealRevision(revision, 'mail.example.org', keys(1));
  const open =
    (value: unknown, clusterName = 'mail.example.org', known = keys(1)) =>
    () =>
      openRevision(value, clusterName, known);

  it('is opened by whoever has the key, the first or the second', () => {
    expect(open(JSON.parse(JSON.stringify(sealed)))()).toEqual(revision);
    expect(open(sealed, 'mail.example.org', keys(2, 1))()).toEqual(revision);
  });

  it.each(Object.keys(revision))('is refused where its %s was changed', (name) => {
    const was = revision[name as keyof Revision];
    const other = typeof was === 'string' ? `${was}x` : Array.isArray(was) ? [] : 7;
    expect(open({ ...sealed, revision: { ...revision, [name]: other } })).toThrow('its seal does not fit');
  });

  it('is refused with another key, for another cluster, and where it is something else', () => {
    expect(open(sealed, 'mail.example.org', keys(2))).toThrow('the cluster key of id 1, which is not known here');
    expect(open(sealed, 'web.example.org')).toThrow('its seal does not fit');
    for (const value of [null, 7, {}, { ...sealed, revision: {} }, { ...sealed, mac: null }]) {
      expect(open(value)).toThrow('it is no sealed revision of a cluster file');
    }
  });
});
