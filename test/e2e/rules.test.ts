/** Port rules with real Envoys and real packets: who serves a connection, by the rule that covers it. */
import { afterEach, describe, expect, it } from 'vitest';
import { handoffIdentity } from '../../host/edge/cluster-identity.js';
import { loadDecision } from '../../host/edge/decision.js';
import type { ClusterFile, PortRule } from '../../host/protocol/types.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import { greeting } from './harness/client.js';
import { clusterFile, RULE_PORT, SERVICE_PORT, service } from './harness/cluster.js';
import { type EnvoyOptions, type RunningEnvoy, startEnvoy } from './harness/envoy.js';
import { startService } from './harness/service.js';
import { decisionFor, viewOf } from './harness/view.js';
import { waitFor } from './harness/wait.js';

const PREFIX = '127.0.38';
const identity = handoffIdentity(Buffer.alloc(32, 7), 'mail.example.org');

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function up(file: ClusterFile, self: string, more: Partial<EnvoyOptions> = {}): Promise<RunningEnvoy> {
  const everybody = file.hosts.map(({ name }) => name);
  const envoy = await startEnvoy({ identity, file, self, ecds: decisionFor(viewOf(file, everybody), self), ...more });
  cleanups.push(() => envoy.stop());
  return envoy;
}

async function serve(name: string, host: string, port: number): Promise<void> {
  const started = await startService({ name, listen: { host, port }, proxyProtocol: 'v2' });
  cleanups.push(() => started.stop());
}

/** Every handoff cluster has all its endpoints: hosts that were started later are known to be there. */
function seesOwners(envoy: RunningEnvoy): Promise<true> {
  return waitFor('all owners to answer', async () => {
    const counts = await envoy.admin.stats('^cluster\\.nlb\\.handoff\\..*\\.membership_(healthy|total)$');
    return [...counts].every(([name, count]) => counts.get(name.replace('_total', '_healthy')) === count) || null;
  });
}

/** One machine cannot have the virtual IPs twice: such a host takes handoffs only. */
const handoffOnly: EnvoyOptions['listenersAs'] = (all) => all.filter((one) => one.name === 'nlb.handoff');

describe('a rule for one virtual IP beside one for all, on one port', () => {
  it('has its own service, its own owner and its own switch', async () => {
    const virtualIps = [`${PREFIX}.100`, `${PREFIX}.101`, `${PREFIX}.102`];
    const single = (first: string, other: string): Partial<PortRule> => ({
      filteringMode: 'single',
      affinity: 'none',
      loadWeights: {},
      handlingPriorities: { [first]: 1, [other]: 2 },
    });
    const rules: Partial<PortRule>[] = [
      { name: 'all', ...single('mail1', 'mail2') },
      { name: 'one', virtualIp: virtualIps[1]!, ...single('mail2', 'mail1'), service: service(`{dedicatedIp}:3526`) },
      { name: 'off', virtualIp: virtualIps[2]!, filteringMode: 'disabled', loadWeights: {}, service: null },
    ];
    const file: ClusterFile = { ...clusterFile(PREFIX, 2, rules), listenOn: 'virtualIp', virtualIps };
    for (const host of ['mail1', 'mail2']) {
      const ip = `${PREFIX}.${host.at(-1)}`;
      await serve(`${host}-all`, ip, SERVICE_PORT);
      await serve(`${host}-one`, ip, 3526);
    }
    await up(file, 'mail2', { listenersAs: handoffOnly });
    const entry = await up(file, 'mail1');
    await seesOwners(entry);
    const ask = (host: string) => greeting('127.77.20.1', { host, port: RULE_PORT });
    expect(await ask(virtualIps[0]!)).toMatch(/^220 mail1-all client=127\.77\.20\.1:/);
    expect(await ask(virtualIps[1]!)).toMatch(/^220 mail2-one client=127\.77\.20\.1:.* to=127\.0\.38\.101:2525$/);
    expect(await ask(virtualIps[2]!)).toBe('refused ECONNREFUSED');

    // A view without mail2: the rule of one virtual IP goes to its next host, the other stays where it was.
    entry.write('ecds', [decisionFor(viewOf(file, ['mail1'], 2), 'mail1')], '2');
    await waitFor('view 2', async () => (await entry.admin.taken()).ecds === '2');
    expect(await ask(virtualIps[1]!)).toMatch(/^220 mail1-one client=127\.77\.20\.1:/);
    expect(await ask(virtualIps[0]!)).toMatch(/^220 mail1-all client=127\.77\.20\.1:/);
  });
});

describe('filtering modes and affinities, three hosts', () => {
  const PORTS = { none: 2601, single: 2602, network: 2603, one: 2604, off: 2605 };
  const HOSTS = ['mail1', 'mail2', 'mail3'];
  const rule = (name: keyof typeof PORTS, changes: Partial<PortRule>): Partial<PortRule> => {
    return { name, portFirst: PORTS[name], portLast: PORTS[name], ...changes };
  };
  const file = clusterFile('127.0.39', 3, [
    rule('none', { affinity: 'none' }),
    rule('single', { affinity: 'single', loadWeights: { mail1: 100, mail2: 50, mail3: 0 } }),
    rule('network', { affinity: 'classC' }),
    rule('one', {
      filteringMode: 'single',
      affinity: 'none',
      loadWeights: {},
      handlingPriorities: { mail1: 3, mail2: 1, mail3: 2 },
    }),
    rule('off', { filteringMode: 'disabled', affinity: 'none', loadWeights: {}, service: null }),
  ]);
  const entryAt = (host: number, name: keyof typeof PORTS) => ({ host: `127.0.39.${host}`, port: PORTS[name] });

  async function started(): Promise<RunningEnvoy[]> {
    for (const name of HOSTS) await serve(name, `127.0.39.${name.at(-1)}`, SERVICE_PORT);
    const envoys: RunningEnvoy[] = [];
    for (const name of HOSTS) envoys.push(await up(file, name));
    for (const envoy of envoys) await seesOwners(envoy);
    return envoys;
  }

  /** Who greeted, and the port that the client had. */
  async function ask(client: string, to: { host: string; port: number }): Promise<{ server: string; port: number }> {
    const line = await greeting(client, to);
    const [, server = line, port = '0'] = /^220 (\S+) client=\S+:(\d+) /.exec(line) ?? [];
    return { server, port: Number(port) };
  }

  it('lead each connection where the decision of its key does, or nowhere', async () => {
    const [first] = await started();
    const decision = await loadDecision();
    const view = viewOf(file, HOSTS);
    const ownerOf = (client: string, destination: string): string => {
      const { owner } = decision.decide(encodeView(view, 'mail1'), { protocol: 'tcp', client, destination });
      return HOSTS[owner!]!;
    };
    for (const host of [1, 2, 3]) {
      const seen = { none: new Set<string>(), single: new Set<string>(), network: new Set<string>() };
      for (let i = 1; i <= 40; i++) {
        for (const name of ['none', 'single', 'network'] as const) {
          const to = entryAt(host, name);
          // None: one client; single: many; class C: many of one network, then of others.
          const client = { none: '127.77.30.1', single: `127.77.31.${i}`, network: `127.77.${i > 20 ? i : 32}.${i}` }[
            name
          ];
          const { server, port } = await ask(client, to);
          expect(server, `${client}:${port} at ${to.host} port ${to.port}`).toBe(
            ownerOf(`${client}:${port}`, `${to.host}:${to.port}`),
          );
          if (name !== 'network' || i <= 20) seen[name].add(server);
        }
      }
      expect([seen.none.size, seen.single.size, seen.network.size]).toEqual([3, 2, 1]);
      expect(seen.single).not.toContain('mail3');
      expect(await greeting('127.77.30.1', entryAt(host, 'off'))).toBe('refused ECONNREFUSED');
      expect((await ask('127.77.30.1', entryAt(host, 'one'))).server).toBe('mail2');
    }
    // mail2 leaves: its single-host rule goes to the next handling priority, from every entry host.
    first!.write('ecds', [decisionFor(viewOf(file, ['mail1', 'mail3'], 2), 'mail1')], '2');
    await waitFor('view 2', async () => (await first!.admin.taken()).ecds === '2');
    expect((await ask('127.77.30.1', entryAt(1, 'one'))).server).toBe('mail3');
  });
});
