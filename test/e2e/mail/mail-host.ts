/** One host of a mail cluster: `nlb run`, the Envoy that it starts, and the mail servers that a test gives it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Explanation } from '../../../host/admin/explain.js';
import type { ClusterStatus } from '../../../host/admin/status.js';
import { endEnvoy, findOwnEnvoy } from '../../../host/edge/envoy-process.js';

/** In the cluster's directory. */
export const CLUSTER_FILE = 'cluster.yaml';

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
    /** The cluster's directory; its file lies in it, and one directory a host. */
    private readonly directory: string,
    readonly name: string,
    readonly ip: string,
  ) {
    this.stateDir = join(directory, name);
    mkdirSync(this.stateDir, { mode: 0o755 });
  }

  /** Servers and sidecar; the sidecar starts the Envoy. */
  async start(): Promise<void> {
    for (const server of this.servers) await server.start();
    const log = openSync(this.logFile, 'a');
    const place = ['--config', join(this.directory, CLUSTER_FILE), '--host', this.name, '--state-dir', this.stateDir];
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
    return join(this.directory, `${this.name}.log`);
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

/** `nlb ...` as an administrator calls it. */
export function nlb(...args: string[]): Promise<{ exitCode: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [sidecarProgram(), ...args], (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code), output: `${stdout}${stderr}` });
    });
  });
}
