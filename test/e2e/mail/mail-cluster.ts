/**
 * A cluster with real mail servers: on each host `nlb run` with its Envoy, and whatever servers the test gives it. Loopback
 * addresses, the default ports and heartbeats, so that its times are those of an administrator. Everything is ended by pid.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Explanation } from '../../../host/admin/explain.js';
import type { ClusterStatus } from '../../../host/admin/status.js';
import { endEnvoy, findOwnEnvoy } from '../../../host/edge/envoy-process.js';
import { waitFor } from '../harness/wait.js';

/** `build/host/main.js`, from build/test/e2e/mail as from test/e2e/mail. */
function sidecarProgram(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return join(here, here.includes('/build/') ? '../../../host/main.js' : '../../../build/host/main.js');
}

export interface Server {
  start(): Promise<void>;
  kill(): Promise<void>;
}

export class MailHost {
  readonly stateDir: string;
  readonly servers: Server[] = [];
  private sidecar: ChildProcess | null = null;

  constructor(
    private readonly cluster: MailCluster,
    readonly name: string,
    readonly ip: string,
  ) {
    this.stateDir = join(cluster.directory, name);
    mkdirSync(this.stateDir, { mode: 0o755 });
  }

  /** Servers and sidecar; the sidecar starts the Envoy. */
  async start(): Promise<void> {
    for (const server of this.servers) await server.start();
    const log = openSync(this.logFile, 'a');
    const place = ['--config', this.cluster.filePath, '--host', this.name, '--state-dir', this.stateDir];
    const envoy = '--envoy-args=--concurrency 1 --drain-time-s 1';
    const stdio = ['ignore', log, log] as const;
    this.sidecar = spawn(process.execPath, [sidecarProgram(), 'run', ...place, envoy], {
      detached: true,
      stdio: [...stdio],
    });
    closeSync(log);
  }

  /** Sidecar, Envoy and servers at once, as power loss would. The sidecar first: it starts Envoys anew. */
  async kill(): Promise<void> {
    const { sidecar } = this;
    const gone: Promise<unknown>[] = [];
    if (sidecar !== null && sidecar.exitCode === null && sidecar.signalCode === null) {
      gone.push(once(sidecar, 'exit'));
      sidecar.kill('SIGKILL');
    }
    const envoyPid = findOwnEnvoy(join(this.stateDir, 'envoy'));
    if (envoyPid !== null) process.kill(envoyPid, 'SIGKILL');
    gone.push(...this.servers.map((server) => server.kill()));
    await Promise.all(gone);
    if (envoyPid !== null) await endEnvoy(envoyPid, join(this.stateDir, 'envoy'), 0);
  }

  /** @throws Error where the sidecar does not answer */
  status(): Promise<ClusterStatus> {
    return this.ask('/status') as Promise<ClusterStatus>;
  }

  /** Who takes a client at a port, as this host says. */
  async ownerOf(client: string, port: number): Promise<string | null> {
    const explanation = (await this.ask(`/explain?client=${client}&port=${port}`)) as Explanation;
    return explanation.owner;
  }

  get logFile(): string {
    return join(this.cluster.directory, `${this.name}.log`);
  }

  private ask(path: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: join(this.stateDir, 'nlb.sock'), path, timeout: 2000 }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => {
          if (response.statusCode === 200) resolve(JSON.parse(text));
          else reject(new Error(`${this.name} answered ${path} with ${response.statusCode}: ${text}`));
        });
      });
      asked.on('timeout', () => asked.destroy(new Error(`${this.name} did not answer ${path}`)));
      asked.on('error', reject);
      asked.end();
    });
  }
}

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
    this.hosts = Array.from({ length: hostCount }, (_, i) => new MailHost(this, `mail${i + 1}`, `${prefix}.${i + 1}`));
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
    return join(this.directory, 'cluster.yaml');
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
        return views.size === 1 && statuses.every((status) => isWhole(status, names));
      },
      60_000,
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

/** `nlb ...` as an administrator calls it. */
export function nlb(...args: string[]): Promise<{ exitCode: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [sidecarProgram(), ...args], (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` });
    });
  });
}
