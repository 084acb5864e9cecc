/**
 * A cluster of real sidecars with real Envoys on loopback, each a process of `nlb run` as an administrator starts it; the mail
 * servers are the test's. Everything is ended by pid.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ClusterStatus } from '../../host/admin/status.js';
import { endEnvoy, findOwnEnvoy } from '../../host/edge/envoy-process.js';
import { favour } from '../../host/edge/nft.js';
import { ROOT } from '../bench/root.js';
import { seesOwners } from './harness/sees-owners.js';
import { startService, type TestService } from './harness/service.js';
import { waitFor } from './harness/wait.js';

const MAIN = join(ROOT, 'build/host/main.js');
export const PORTS = { rule: 2553, service: 3553, heartbeat: 7653, handoff: 7653, page: 7655 };

export class SidecarHost {
  /** Further arguments of `nlb run`, and its environment. */
  moreArguments: string[] = [];
  environment: Record<string, string> = {};
  sidecar: ChildProcess | null = null;
  service: TestService | null = null;

  constructor(
    readonly cluster: SidecarCluster,
    readonly name: string,
    readonly ip: string,
  ) {}

  get stateDir(): string {
    return join(this.cluster.directory, this.name);
  }

  /** Its own copy of the cluster file, or the one of all. */
  get filePath(): string {
    const { directory, filePath, hasOwnFiles } = this.cluster;
    return hasOwnFiles ? join(directory, `etc-${this.name}`, `${this.name}.yaml`) : filePath;
  }

  get keyPath(): string {
    return join(dirname(this.filePath), 'cluster.key');
  }

  get envoyPid(): number | null {
    return findOwnEnvoy(join(this.stateDir, 'envoy'));
  }

  log(): string {
    return readFileSync(join(this.cluster.directory, `${this.name}.log`), 'utf8');
  }

  /** Waits for a line: it is written beside the event loop, and an answer may be there before it. */
  async logged(text: string | RegExp): Promise<void> {
    const isSaid = () => (typeof text === 'string' ? this.log().includes(text) : text.test(this.log()));
    await waitFor(`${this.name} to log ${text}`, isSaid).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.log().split('\n').slice(-25).join('\n')}`);
    });
  }

  /**
   * Starts the sidecar and nothing else. It and its Envoy go before whatever else this machine does, where that may be said: all hosts
   * share it, and one that has no turn for a second is lost with good reason.
   */
  run(): void {
    const log = openSync(join(this.cluster.directory, `${this.name}.log`), 'a');
    const place = ['--config', this.filePath, '--host', this.name, '--state-dir', this.stateDir];
    const envoyArguments = '--envoy-args=--concurrency 1 --drain-time-s 1';
    this.sidecar = spawn(process.execPath, [MAIN, 'run', ...place, envoyArguments, ...this.moreArguments], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.environment },
    });
    favour(this.sidecar.pid);
    closeSync(log);
  }

  async serve(): Promise<void> {
    const listen = { host: this.ip, port: PORTS.service };
    this.service = await startService({ name: this.name, listen, proxyProtocol: 'v2' });
  }

  /** Resolves when the process is gone. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { sidecar } = this;
    if (!sidecar || sidecar.exitCode !== null || sidecar.signalCode !== null) return;
    const exited = once(sidecar, 'exit');
    sidecar.kill(signal);
    await exited;
  }

  /** Whatever became of the sidecar. */
  async endEnvoy(): Promise<void> {
    const pid = this.envoyPid;
    if (pid !== null) await endEnvoy(pid, join(this.stateDir, 'envoy'), 0);
  }

  async ask(method: 'GET' | 'POST', path: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: join(this.stateDir, 'nlb.sock'), method, path }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => {
          try {
            resolve(JSON.parse(text));
          } catch {
            reject(new Error(`${this.name} answered ${path} with: ${text}`));
          }
        });
        // A sidecar that is killed leaves its answer half said.
        response.on('error', reject);
      });
      asked.on('error', reject);
      asked.end();
    });
  }

  /**
   * True where this host's Envoy has checked the Envoys of all others: until its first good check an owner is taken for
   * one that does not answer, and the entry host serves in its stead.
   */
  async seesOwners(): Promise<boolean> {
    return seesOwners(this.stateDir);
  }

  async status(): Promise<ClusterStatus> {
    return (await this.ask('GET', '/status')) as ClusterStatus;
  }
}

export class SidecarCluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'nlb-sidecars-'));
  readonly hosts: SidecarHost[];

  /**
   * @param prefix       `127.0.53`: hosts are mail1 at .1, mail2 at .2 ...
   * @param hasOwnFiles  each host has a cluster file and a key file of its own, as on machines of their own
   * @param ruleText     further lines of the port rule
   */
  constructor(
    prefix: string,
    hostCount: number,
    readonly hasOwnFiles = false,
    public ruleText = '',
  ) {
    this.hosts = Array.from(
      { length: hostCount },
      (_, i) => new SidecarHost(this, `mail${i + 1}`, `${prefix}.${i + 1}`),
    );
    const keyPaths = new Set([join(this.directory, 'cluster.key'), ...this.hosts.map(({ keyPath }) => keyPath)]);
    for (const path of keyPaths) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `1 ${'5a'.repeat(32)}\n`, { mode: 0o600 });
    }
    this.writeFile('equal');
  }

  get filePath(): string {
    return join(this.directory, 'cluster.yaml');
  }

  writeFile(loadWeight: string): void {
    writeFileSync(this.filePath, this.fileText(loadWeight));
    if (this.hasOwnFiles) for (const host of this.hosts) writeFileSync(host.filePath, this.fileText(loadWeight));
  }

  fileText(loadWeight: string): string {
    const hosts = this.hosts.map(({ name, ip }, i) => `  - {name: ${name}, priority: ${i + 1}, dedicatedIp: ${ip}}`);
    const { rule, service, heartbeat, handoff, page } = PORTS;
    return `cluster: mail.example.org
mode: routed
listenOn: dedicatedIp
hashSeed: 0x5eed1234
keyFile: cluster.key
heartbeat: {periodMs: 500, missedMax: 5}
ports: {heartbeat: ${heartbeat}, handoff: ${handoff}, channel: ${handoff + 1}, page: ${page}}
hosts:
${hosts.join('\n')}
portRules:
  - name: smtp
    ports: ${rule}
    protocol: tcp
    filteringMode: multiple
    affinity: single
    loadWeight: ${loadWeight}
${this.ruleText}    service:
      address: '{dedicatedIp}:${service}'
      proxyProtocol: v2
      check: {kind: banner, expect: '220', periodMs: 500, timeoutMs: 500, failuresMax: 3}
`;
  }

  /** Sidecars, Envoys and services of all hosts, until all are in one view. */
  async start(): Promise<void> {
    for (const host of this.hosts) {
      mkdirSync(host.stateDir, { mode: 0o700 });
      await host.serve();
      host.run();
    }
    await this.converged(90_000);
  }

  /**
   * Waits until every host has one and the same view with all of them, taken by its Envoy, which sees all others. One that has come and
   * gone three times is let back in after 40 s.
   */
  async converged(boundMs = 120_000): Promise<number> {
    return waitFor(
      'one view with all hosts',
      async () => {
        const statuses = await Promise.all(this.hosts.map((host) => host.status()));
        const all = statuses.every(
          (status) =>
            status.state === 'converged' &&
            status.envoy.state === 'serving' &&
            status.envoy.tookConfiguration &&
            status.lostSince.length === 0 &&
            status.hosts.every(({ state }) => state === 'converged') &&
            status.rules.every((rule) => rule.hosts.every(({ takesPart }) => takesPart)),
        );
        const identities = new Set(statuses.map(({ view }) => `${view?.number} ${view?.checksum}`));
        const seen = all ? await Promise.all(this.hosts.map((host) => host.seesOwners())) : [false];
        return seen.every(Boolean) && identities.size === 1 ? statuses[0]!.view!.number : null;
      },
      boundMs,
    ).catch((error) => {
      throw new Error(`${error.message}\n${this.logs()}`);
    });
  }

  logs(): string {
    return this.hosts.map((host) => `--- ${host.name}\n${host.log().split('\n').slice(-25).join('\n')}`).join('\n');
  }

  async stop(): Promise<void> {
    for (const host of this.hosts) {
      await host.end('SIGKILL');
      await host.endEnvoy();
      await host.service?.stop();
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}
