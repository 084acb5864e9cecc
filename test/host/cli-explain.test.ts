/** nlb explain: the sentence, the numbers, and that both ways of asking give one answer. */
import { beforeAll, describe, expect, test } from 'vitest';
import { explain, inForceOfFile } from '../../host/admin/explain.js';
import { explanationPage } from '../../host/cli/explain-page.js';
import type { Decision } from '../../host/edge/decision.js';
import type { InForce } from '../../host/protocol/types.js';
import { freshDecision } from '../vectors/fresh-decision.js';
import { changed, fileOf, LAWFUL } from './config-fixture.js';

let decision: Decision;
beforeAll(async () => {
  decision = await freshDecision();
}, 120_000);

const question = (client: string, port = 25, to: string | null = null) =>
  ({ client, port, protocol: 'tcp', to }) as const;
const inForce = (text = LAWFUL): InForce => inForceOfFile(fileOf(text), decision.version);
const textOf = (client: string, port: number, self: string | null, of = inForce()) =>
  explain(of, self, decision, question(client, port)).text;

describe('explain()', () => {
  test('says owner and next owner with every number on the way', () => {
    const said = explain(inForce(), 'mail1', decision, question('192.0.2.7'), 'file');
    const { key, hash, bucket } = decision.key({
      affinity: 'single',
      address: '192.0.2.7',
      port: 0,
      hashSeed: 0x5eed1234,
      ipv6PrefixLength: 64,
    });
    expect([...key]).toEqual([192, 0, 2, 7]);
    expect(said.key).toEqual({ bytesHex: 'c0 00 02 07', hash, bucket, hashSeed: 0x5eed1234 });
    expect(said.hosts.map((host) => host.place)).toEqual(['owner', 'nextOwner']);
    expect([said.owner, said.nextOwner]).toEqual(said.hosts.map((host) => host.name));
    expect(said.hosts[0]!.cost!).toBeLessThan(said.hosts[1]!.cost!);
    expect(said.viewNumber).toBe(null);
    const page = explanationPage(said);
    expect(page).toContain('  key       c0 00 02 07\n');
    expect(page).toContain('From the file alone: every host counts as there and well.\n');
    expect(page.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  test('says where a client is kept, since when, and who would have it without that', () => {
    const of = inForce(LAWFUL);
    of.file.portRules[0]!.stickForMs = 30 * 60_000;
    const plain = explain(of, 'mail1', decision, question('192.0.2.7'));
    const [owner, other] = [plain.owner!, plain.nextOwner!];
    const kept = new Map([[0, [{ hash: plain.key!.hash, host: other }]]]);
    const saidAt = (ageMs: number | null) =>
      explain(of, 'mail1', decision, question('192.0.2.7'), 'running', { kept, ageOf: () => ageMs });
    const said = saidAt(4 * 60_000);
    expect(said.text).toMatch(
      new RegExp(
        `^Client 192.0.2.7 on port 25/tcp is kept on ${other}, where it had a connection 4 minutes ago \\(stickFor 30m\\); without that its owner is ${owner}\\. Next owner: ${owner}\\.`,
      ),
    );
    expect([said.owner, said.nextOwner, said.kept]).toEqual([
      other,
      owner,
      { host: other, without: owner, stickForMs: 1_800_000, ageMs: 240_000 },
    ]);
    expect(said.hosts.map(({ name, place }) => [name, place])).toEqual([
      [other, 'kept'],
      [owner, 'nextOwner'],
    ]);
    expect(saidAt(0).text).toContain('where it has a connection (stickFor');
    expect(saidAt(1000).text).toContain('a connection 1 second ago');
    expect(explanationPage(said)).toContain('kept here');
  });

  test('takes a client to come to a virtual IP of its own family, and to the rule of that one', () => {
    const smtp = LAWFUL.slice(LAWFUL.indexOf('  - name: smtp'), LAWFUL.indexOf('  - name: web'));
    const of6 = smtp.replace('name: smtp', "name: smtp6\n    virtualIp: '2001:db8::100'");
    const addresses = "virtualIps: [10.0.0.100, '2001:db8::100']\nhosts:";
    const of = inForce(
      changed(
        ['listenOn: dedicatedIp', 'listenOn: virtualIp'],
        ['hosts:', addresses],
        ['  - name: web', `${of6}  - name: web`],
      ),
    );
    const to = (client: string) => {
      const { destination, rule } = explain(of, 'mail1', decision, question(client));
      return [destination.address, rule?.name];
    };
    expect(to('192.0.2.7')).toEqual(['10.0.0.100', 'smtp']);
    expect(to('2001:db8:1::7')).toEqual(['2001:db8::100', 'smtp6']);
    expect(to('::ffff:192.0.2.7')).toEqual(['10.0.0.100', 'smtp']);
  });

  test('names the same owner whichever host is asked, and what each does', () => {
    for (let n = 0; n < 200; n++) {
      const client = `198.51.100.${n}`;
      const [one, two] = ['mail1', 'mail2'].map((self) => explain(inForce(), self, decision, question(client)));
      expect([one!.owner, one!.nextOwner, one!.hosts]).toEqual([two!.owner, two!.nextOwner, two!.hosts]);
      const other = one!.owner === 'mail1' ? two! : one!;
      const expected =
        `${other.entryHost} hands it off to ${one!.owner}; if ${one!.owner} does ` +
        `not answer within 1000 ms, ${other.entryHost} serves it itself.`;
      expect(other.text.endsWith(expected)).toBe(true);
    }
  });

  test('says in the modes of one address who brings the client to its owner', () => {
    const at = (mode: 'arp' | 'multicast') => {
      const of = inForce();
      of.file.mode = mode;
      const owner = explain(of, null, decision, question('192.0.2.7')).owner!;
      const [here, there] = [owner, owner === 'mail1' ? 'mail2' : 'mail1'].map((self) =>
        explain(of, self, decision, question('192.0.2.7')).text.replaceAll(owner, 'OWNER'),
      );
      expect(here).toMatch(/ OWNER serves it itself\.$/);
      return there;
    };
    expect(at('arp')).toMatch(/\. The kernel of whoever holds the virtual IPs passes it on to OWNER\.$/);
    expect(at('multicast')).toMatch(/\. It comes to every host, and the kernel of OWNER alone takes it\.$/);
  });

  test("gives a lost owner's client to its next owner, and says why", () => {
    const before = explain(inForce(), null, decision, question('192.0.2.7'));
    const after = explain({ ...inForce(), lostSince: [before.owner!] }, null, decision, question('192.0.2.7'));
    expect([after.owner, after.nextOwner]).toEqual([before.nextOwner, null]);
    expect(after.hosts[1]).toMatchObject({ name: before.owner, place: 'takesNoPart', absence: 'lost' });
    expect(after.text).toBe(`Client 192.0.2.7 on port 25/tcp belongs to ${before.nextOwner}. There is no next owner.`);
  });

  test('says who takes no part for which reason, and that nobody does', () => {
    const of = inForce();
    const [one, two] = of.view.hosts;
    one!.rules[0] = { loadWeight: 0, handlingPriority: 0, absence: 'serviceDown' };
    two!.rules[0] = { loadWeight: 0, handlingPriority: 0, absence: 'draining' };
    const said = explain(of, 'mail1', decision, question('192.0.2.7'));
    expect([said.refused, said.hosts.map(({ name, absence }) => [name, absence])]).toEqual([
      'nobody',
      [
        ['mail1', 'serviceDown'],
        ['mail2', 'draining'],
      ],
    ]);
    expect(said.text).toBe('Client 192.0.2.7 is refused on port 25/tcp: no host takes part in rule smtp.');
    const missing = { ...of, view: { ...of.view, hosts: [one!] } };
    expect(explain(missing, 'mail1', decision, question('192.0.2.7')).hosts[1]!.absence).toBe('notInView');
  });

  test('follows handling priorities under single host, without a fallback', () => {
    expect(textOf('192.0.2.7:4711', 8001, 'mail2')).toBe(
      'Client 192.0.2.7 port 4711 on port 8001/tcp belongs to mail1. Next owner: mail2. ' +
        'mail2 hands it off to mail1; if mail1 does not answer within 1000 ms, the connection is closed.',
    );
  });

  test('says so of a disabled rule, and of no rule at all', () => {
    const disabled = inForce(changed(['ports: 25', 'ports: 25\n    filteringMode: disabled']));
    expect(textOf('192.0.2.7', 25, 'mail1', disabled)).toBe(
      'Client 192.0.2.7 is refused on port 25/tcp: rule smtp is disabled.',
    );
    expect(textOf('192.0.2.7', 26, 'mail1')).toBe(
      'No port rule covers port 26/tcp: a program of the host it comes to may answer there, nothing of the cluster does.',
    );
  });

  test('refuses questions that cannot be answered', () => {
    const none = inForce(changed(['ports: 25', 'ports: 25\n    affinity: none']));
    expect(() => textOf('192.0.2.7', 25, null, none)).toThrow(
      'client is 192.0.2.7 without a port, but rule smtp has affinity none: ' +
        'expected 192.0.2.7:4711 or another port of the client',
    );
    expect(() => textOf('mail.test', 25, null)).toThrow(
      'client is mail.test, expected ADDRESS or ADDRESS:PORT such as 203.0.113.7, or [2001:db8::1]:4711',
    );
    expect(() => explain(inForce(), null, decision, question('192.0.2.7', 25, '10.9.9.9'))).toThrow(
      'to is 10.9.9.9, expected one of 10.0.0.11, 10.0.0.12',
    );
  });
});
