import { describe, expect, it } from 'vitest';
import { PortRedirect } from '../../host/edge/port-redirect.js';
import { redirectRuleset, redirectTable } from '../../host/kernel/redirect.js';
import type { ClusterFile, PortRule } from '../../host/protocol/types.js';
import { redirects } from '../../host/protocol/xds/index.js';
import { clusterFile } from '../e2e/harness/cluster.js';

const VIPS = ['10.0.0.100', 'fd00::100'];
const WIDE = { name: 'wide', portFirst: 1, portLast: 65535 };

function fileWith(...rules: Partial<PortRule>[]): ClusterFile {
  return { ...clusterFile('10.0.0', 2, rules), listenOn: 'virtualIp', virtualIps: VIPS };
}

const rangesAt = (file: ClusterFile, address: string): string =>
  redirects(file, 'mail1')
    .filter((redirect) => redirect.address === address)
    .flatMap(({ ranges }) => ranges.map(({ first, last }) => `${first}-${last}`))
    .join(' ');

describe('redirects()', () => {
  it('are none where all ports have a listener', () => {
    expect(redirects(fileWith({ portFirst: 1000, portLast: 1511 }), 'mail1')).toEqual([]);
  });

  it('leave out the ports of the sidecar, and on each address those with a listener there', () => {
    const file = fileWith(WIDE, { name: 'smtp', portFirst: 25, portLast: 25, virtualIp: VIPS[1]! });
    expect(rangesAt(file, VIPS[0]!)).toBe('1-7619 7623-7623 7625-65535');
    expect(rangesAt(file, VIPS[1]!)).toBe('1-24 26-7619 7623-7623 7625-65535');
  });

  it('leave out the port of remote control where it is on', () => {
    const remoteControl = { port: 7623 } as ClusterFile['remoteControl'];
    const file = { ...fileWith(WIDE), remoteControl } as ClusterFile;
    expect(rangesAt(file, VIPS[0]!)).toBe('1-7619 7625-65535');
  });

  it('take a disabled rule inside along, which the filter then refuses', () => {
    const file = fileWith(WIDE, {
      name: 'off',
      portFirst: 22,
      portLast: 22,
      virtualIp: VIPS[0]!,
      filteringMode: 'disabled',
    });
    expect(rangesAt(file, VIPS[0]!)).toBe('1-7619 7623-7623 7625-65535');
  });

  it('are the widest rules, until the others have at most 1,024 listeners', () => {
    const file = fileWith({ portFirst: 1000, portLast: 1511 }, { name: 'wider', portFirst: 2000, portLast: 2512 });
    expect(rangesAt(file, VIPS[0]!)).toBe('2000-2512');
  });

  it('are all other ports with otherPorts defaultHost', () => {
    const file: ClusterFile = { ...fileWith({ portFirst: 25, portLast: 25 }), otherPorts: 'defaultHost' };
    expect(rangesAt(file, VIPS[0]!)).toBe('1-24 26-7619 7623-7623 7625-65535');
  });
});

it('redirectRuleset() replaces the table whole, or takes it away', () => {
  const table = redirectTable('mail.example.org', 'mail1');
  const ranges = [
    { first: 1, last: 24 },
    { first: 26, last: 26 },
  ];
  const both = VIPS.map((address) => ({ address, ranges, toPort: 7624 }));
  expect(redirectRuleset(table, both)).toBe(`add table inet envoy_nlb_redirect_mail_example_org_mail1
delete table inet envoy_nlb_redirect_mail_example_org_mail1
table inet envoy_nlb_redirect_mail_example_org_mail1 {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    iif lo return
    ip daddr 10.0.0.100 tcp dport { 1-24, 26 } dnat ip to 10.0.0.100:7624
    ip6 daddr fd00::100 tcp dport { 1-24, 26 } dnat ip6 to [fd00::100]:7624
  }
}
`);
  expect(redirectRuleset(table, []).split('\n').slice(2)).toEqual(['']);
});

describe('PortRedirect', () => {
  /** An nftables that has one table or none. */
  function fixture(why: string | null = null) {
    const kernel = { why, table: '', runs: 0, nowMs: 0 };
    const problems: (string | null)[] = [];
    const redirect = new PortRedirect({
      self: 'mail1',
      nowMs: () => kernel.nowMs,
      onProblem: (text) => problems.push(text),
      nft: {
        whyNot: async () => kernel.why,
        list: async () => (kernel.table === '' ? [] : [{ table: {} }]),
        run: async (text) => {
          kernel.runs += 1;
          kernel.table = text.split('\n').slice(2).join('\n');
        },
      },
    });
    return { kernel, problems, redirect };
  }

  it('names the ports that are not carried, and carries them once it can', async () => {
    const { kernel, problems, redirect } = fixture('nft is not installed: install the package nftables');
    await redirect.follow({ ...fileWith({ ...WIDE, portFirst: 40000, portLast: 49999 }), virtualIps: [VIPS[0]!] });
    expect(problems).toEqual([
      'Ports 40000-49999 of 10.0.0.100 are not carried: clients that come to this host for them do not reach the cluster: nft is not installed: install the package nftables',
    ]);
    kernel.why = null;
    kernel.nowMs = 5000;
    await redirect.look();
    expect(problems.at(-1)).toBeNull();
    expect(kernel.table).toContain('tcp dport { 40000-49999 }');
  });

  it('says and asks nothing of a file that needs no redirect, but takes away what an earlier one left', async () => {
    const { kernel, problems, redirect } = fixture();
    kernel.table = 'of an earlier run';
    await redirect.follow(fileWith({}));
    expect([kernel.table, kernel.runs, problems]).toEqual(['', 1, [null]]);
    await redirect.follow(fileWith({}));
    expect(kernel.runs).toBe(1);
    const without = fixture('no right');
    await without.redirect.follow(fileWith({}));
    expect(without.problems).toEqual([null]);
  });

  it('takes a port before its own listener ends, leaves it after it has one, and goes back where Envoy refuses', async () => {
    const { kernel, redirect } = fixture();
    const own = { name: 'own', portFirst: 45000, portLast: 45000 };
    const [without, withOwn] = [fileWith(WIDE), fileWith(WIDE, { ...own, virtualIp: VIPS[0]! })];
    const [all, allBut] = [
      '10.0.0.100 tcp dport { 1-7619, 7623, 7625-65535 }',
      '10.0.0.100 tcp dport { 1-7619, 7623, 7625-44999, 45001-65535 }',
    ];
    await redirect.follow(without);
    await redirect.prepare(withOwn);
    expect(kernel.table).toContain(all);
    await redirect.follow(withOwn);
    expect(kernel.table).toContain(allBut);
    await redirect.prepare(without);
    expect(kernel.table).toContain(all);
    await redirect.takeBack();
    expect(kernel.table).toContain(allBut);
  });

  it('prepares nothing that the listener could not take', async () => {
    const { kernel, redirect } = fixture();
    await redirect.follow(fileWith({}));
    await redirect.prepare(fileWith(WIDE));
    expect([kernel.table, kernel.runs]).toEqual(['', 0]);
  });
});
