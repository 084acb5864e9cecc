/**
 * A cluster with real mail servers: on each host `nlb run` with its Envoy, and whatever servers the test gives it. Loopback
 * addresses, the default ports and heartbeats, so that its times are those of an administrator. Everything is ended by pid.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClusterStatus } from '../../../host/admin/status.js';
import { seesOwners } from '../harness/sees-owners.js';
import { waitFor } from '../harness/wait.js';
import { CLUSTER_FILE, MailHost } from './mail-host.js';

export class MailCluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'nlb-mail-'));
  readonly hosts: MailHost[];

  /**
   * @param prefix     `127.0.70`: hosts are mail1 at .1, mail2 at .2 ...
   * @param portRules  the lines under `portRules:`, see portRule()
   */
  constructor(prefix: string, hostCount: number, portRules: string[]) {
    // Servers run as users of their own and must reach their directories below.
    chmodSync(this.directory, 0o755);
    writeFileSync(join(this.directory, 'cluster.key'), `1 ${'5a'.repeat(32)}\n`, { mode: 0o600 });
    this.hosts = Array.from(
      { length: hostCount },
      (_, i) => new MailHost(this.directory, `mail${i + 1}`, `${prefix}.${i + 1}`),
    );
    const hosts = this.hosts.map(({ name, ip }, i) => `  - {name: ${name}, priority: ${i + 1}, dedicatedIp: ${ip}}`);
    writeFileSync(
      this.filePath,
      `cluster: mail.example.org
mode: routed
listenOn: dedicatedIp
hashSeed: 0x5eed1234
keyFile: cluster.key
hosts:
${hosts.join('\n')}
portRules:
${portRules.join('')}`,
    );
  }

  get filePath(): string {
    return join(this.directory, CLUSTER_FILE);
  }

  /** All hosts, until all are in one view, serve every rule and see each other's Envoys. */
  async start(): Promise<void> {
    for (const host of this.hosts) await host.start();
    await this.converged();
  }

  /** @param hosts  those that must be there and take part; the others must be out of the view */
  async converged(hosts: readonly MailHost[] = this.hosts): Promise<void> {
    const names = new Set(hosts.map(({ name }) => name));
    await waitFor(
      `one view with ${[...names].join(', ')}`,
      async () => {
        const statuses = await Promise.all(hosts.map((host) => host.status()));
        const views = new Set(statuses.map(({ view }) => `${view?.number} ${view?.checksum}`));
        if (views.size !== 1 || !statuses.every((status) => isWhole(status, names))) return false;
        const isAll = hosts.length > 1 && hosts.length === this.hosts.length;
        const seen = isAll ? await Promise.all(hosts.map(({ stateDir }) => seesOwners(stateDir))) : [];
        return seen.every(Boolean);
      },
      // One that has come and gone three times is let back in after 40 s.
      120_000,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.logs()}`);
    });
  }

  logs(): string {
    return this.hosts
      .filter(({ logFile }) => existsSync(logFile))
      .map(({ name, logFile }) => `--- ${name}\n${readFileSync(logFile, 'utf8').split('\n').slice(-20).join('\n')}`)
      .join('\n');
  }

  /** Ends all and removes every file of it. */
  async stop(): Promise<void> {
    await Promise.all(this.hosts.map((host) => host.kill()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function isWhole(status: ClusterStatus, names: ReadonlySet<string>): boolean {
  return (
    status.state === 'converged' &&
    status.envoy.state === 'serving' &&
    status.envoy.tookConfiguration &&
    status.lostSince.length === 0 &&
    status.hosts.every(({ name, state }) => (state === 'converged') === names.has(name)) &&
    status.rules.every((rule) => rule.hosts.every(({ host, takesPart }) => takesPart === names.has(host)))
  );
}

export interface RuleOptions {
  name: string;
  port: number;
  servicePort: number;
  proxyProtocol: 'v1' | 'v2' | 'none';
  trustsNobodyByAddress?: boolean;
}

/** One rule as it stands in the cluster file: multiple hosts, affinity single, a mail server on each host. */
export function portRule({ name, port, servicePort, proxyProtocol, trustsNobodyByAddress }: RuleOptions): string {
  const trust = trustsNobodyByAddress === undefined ? '' : `\n      trustsNobodyByAddress: ${trustsNobodyByAddress}`;
  return `  - name: ${name}
    ports: ${port}
    protocol: tcp
    filteringMode: multiple
    affinity: single
    loadWeight: equal
    service:
      address: '{dedicatedIp}:${servicePort}'
      proxyProtocol: ${proxyProtocol}${trust}
      check: {kind: banner, expect: '220'}
`;
}
