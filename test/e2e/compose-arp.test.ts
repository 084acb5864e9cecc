/**
 * The compose cluster on one address, envoy/compose/arp: its README word for word, then what mode arp promises about many clients, and
 * about sessions and mails while the holder of the address is killed. The link is watched for two hosts that answer at once.
 */
import { describe, expect, it } from 'vitest';
import {
  type ComposeCluster,
  HOSTS,
  mailServerOf,
  type Sent,
  TEST_MAX_MS,
  useComposeCluster,
  WAIT_MAX_MS,
} from './compose-cluster.js';
import { waitFor } from './harness/wait.js';

const VIRTUAL_IP = '10.79.0.100';
const V4 = { prefix: '10.79.0.', first: 130, count: 40, workerCount: 4, entries: [VIRTUAL_IP] };
const V6 = { ...V4, prefix: 'fd00:79::', entries: ['fd00:79::100'] };
const SESSIONS = { first: 190, count: 60 };
/** The cards of mail1, mail2 and mail3, as the compose file names them. */
const MACS = ['020000000001', '020000000002', '020000000003'];
/** CAP_NET_ADMIN alone. */
const NET_ADMIN = '0000000000001000';
const NOTHING = '0000000000000000';

let cluster: ComposeCluster;

interface Watched {
  /** Hosts that answered for the virtual IP, one after another. */
  answered: string[];
  /** Moments in which several did. */
  doubles: string[];
}

/** Asks on the link who has the virtual IP, all the time while `run` runs. */
async function watchedWhile(run: () => Promise<void>): Promise<Watched> {
  const until = `/tmp/watched-${performance.now().toFixed(0)}`;
  const watching = cluster.inClient('who-has', `${VIRTUAL_IP} ${until}`);
  try {
    await run();
  } finally {
    await cluster.must(`docker compose exec client touch ${until}`);
  }
  const moments = (await watching).filter((line) => line !== 'nobody');
  const names = moments.map((line) => line.split(' ').map((mac) => HOSTS[MACS.indexOf(mac)] ?? mac));
  const single = names.flatMap((each) => (each.length === 1 ? each : []));
  return {
    answered: single.filter((name, i) => name !== single[i - 1]),
    doubles: names.filter((each) => each.length > 1).map((each) => each.join(' and ')),
  };
}

/** A machine so busy that a sidecar stands still for a lease gives the address to another host: it is brought back, and told. */
async function expectHolder(host: string): Promise<void> {
  const found = await cluster.holder(host);
  if (found === host) return;
  console.log(`${found} holds the address, expected ${host}: it is moved back`);
  await cluster.must(`docker compose exec ${host} nlb move-vip --to ${host}`);
}

async function sendFromAll(tag: string): Promise<Sent[]> {
  const sent = [
    ...(await cluster.send({ tag, ...V4, until: 'once' })),
    ...(await cluster.send({ tag, ...V6, until: 'once' })),
  ];
  expect(sent).toHaveLength(V4.count + V6.count);
  expect(sent.filter(({ accepted }) => !accepted)).toEqual([]);
  return sent;
}

async function expectOwners(sent: readonly Sent[]): Promise<void> {
  const owners = await cluster.ownersOf(sent.map(({ address }) => address));
  expect([...new Set(owners.values())].sort()).toEqual(HOSTS);
  expect(sent.filter(({ address, servedBy }) => servedBy !== owners.get(address))).toEqual([]);
}

describe('the compose cluster on one address', { timeout: TEST_MAX_MS }, () => {
  useComposeCluster('the compose cluster on one address', 'arp', 'envoy-nlb-arp', (started) => {
    cluster = started;
  });

  for (const [heading, holder] of [
    ['Start it', 'mail1'],
    ['Send mail', 'mail1'],
    ['The holder dies', 'mail1'],
    ['Drain a host', 'mail2'],
    ['Move the address', 'mail1'],
  ] as const) {
    it(`does what its README says: ${heading}`, async () => {
      if (heading !== 'Start it') await expectHolder(holder);
      await cluster.followAll(heading);
    });
  }

  it('does what its README says: The holder hangs, and never do two hosts answer for the address', async () => {
    await expectHolder('mail3');
    const { answered, doubles } = await watchedWhile(() => cluster.followAll('The holder hangs'));
    expect(doubles).toEqual([]);
    expect(answered).toEqual(['mail3', 'mail1']);
  });

  it('gives the sidecar NET_ADMIN alone, and Envoy nothing', async () => {
    const fields = '^(Uid|CapPrm|CapBnd|NoNewPrivs)';
    const show = `for p in /proc/[0-9]*; do cat $p/comm; grep -hE "${fields}" $p/status; echo; done 2>/dev/null`;
    const output = await cluster.must(`docker compose exec mail1 sh -c '${show}'`);
    const processes = output.split(/\r?\n\s*\n/).map((text) => text.trim().split(/\s+/));
    const seen = processes.flatMap(([name, , uid, , , , , may, , atMost, , isFinal]) =>
      isFinal === undefined ? [] : [{ name, uid, may, atMost, isFinal }],
    );
    expect(seen.filter(({ uid, atMost }) => uid === '0' || atMost !== NET_ADMIN)).toEqual([]);
    expect(seen.some(({ name, may }) => name === 'node' && may === NET_ADMIN)).toBe(true);
    const envoys = seen.filter(({ name }) => name === 'envoy');
    expect(envoys.map(({ may, isFinal }) => `${may} ${isFinal}`)).toEqual([`${NOTHING} 1`]);
  });

  it('leads each client to its owner, whoever holds the address, over IPv4 and IPv6, and stores its mail there', async () => {
    await cluster.settled();
    const first = await sendFromAll('mail1');
    await expectOwners(first);
    await cluster.must('docker compose exec mail1 nlb move-vip --to mail2');
    const second = await sendFromAll('mail2');
    await expectOwners(second);
    const inboxes = await cluster.stored();
    for (const { id, address, servedBy } of [...first, ...second]) {
      expect(inboxes[HOSTS.indexOf(servedBy)]!.get(id), id).toBe(address);
    }
  });

  it('loses only what the holder served when it is killed under load, and no accepted mail', async () => {
    const holder = 'mail2';
    await expectHolder(holder);
    const others = HOSTS.filter((host) => host !== holder);
    const [until, held] = ['/tmp/enough', '/tmp/held-enough'];
    const holding = cluster.inClient(
      'sessions',
      [V4.prefix, SESSIONS.first, SESSIONS.count, VIRTUAL_IP, held].join(' '),
    );
    await waitFor('open sessions', async () =>
      (await cluster.must(`docker compose exec client ls /tmp`)).includes('held-enough.open'),
    );
    const sending = cluster.send({ tag: 'load', ...V4, until });
    const { answered, doubles } = await watchedWhile(async () => {
      await waitFor(
        'mails of the load',
        async () => [...(await cluster.storedAt(holder)).keys()].some((id) => id.startsWith('load')),
        WAIT_MAX_MS,
      );
      // Without its link first, as a machine without power: Docker takes a while to end a container, whose kernel would go on.
      await cluster.must(`docker compose exec -u root ${holder} ip link set eth0 down`);
      await cluster.must(`docker compose kill ${holder} ${mailServerOf(holder)}`);
      await cluster.allSay(others, others);
      await waitFor(
        'another holder',
        async () => others.includes((await cluster.holder(others[0]!)) ?? ''),
        WAIT_MAX_MS,
      );
      await cluster.must(`docker compose start ${holder} ${mailServerOf(holder)}`);
      await cluster.allSay(HOSTS, HOSTS);
    });
    await cluster.must(`docker compose exec client sh -c 'touch ${until}; echo ${holder} >${held}'`);
    expect(doubles).toEqual([]);
    expect(answered).toEqual([holder, others[0]]);

    const sessions = (await holding).map((line) => line.split(' '));
    expect(sessions).toHaveLength(SESSIONS.count);
    expect([...new Set(sessions.map(([, host]) => host))].sort()).toEqual(HOSTS);
    expect(sessions.filter(([, host, code]) => host !== holder && code !== '250')).toEqual([]);

    // Each worker had at most one session open when the holder died.
    await cluster.expectStored(await sending, V4.workerCount);
  });

  it('does what its README says: End it, and nothing is left', async () => {
    await cluster.followAll('End it');
    await cluster.expectNothingLeft();
  });
});
