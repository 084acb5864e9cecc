/** Remote control of one sidecar: opened, changed and closed as the file in force says, without a restart. */
import { dirname, resolve } from 'node:path';
import type { Door } from '../admin/door.js';
import type { Route } from '../admin/route.js';
import type { Clock } from '../edge/clock.js';
import type { Log } from '../edge/log.js';
import type { ClusterFile, HostConfig, RemoteControl } from '../protocol/types.js';
import { certificateProblem, certificateStamp, loadCertificate, type RemoteCertificate } from './certificate.js';
import { RemoteServer } from './server.js';
import { TokenList } from './tokens.js';

export interface RemoteControlOptions {
  self: HostConfig;
  clusterFilePath: string;
  stateDirectory: string;
  file(): ClusterFile;
  door: Door;
  clock: Clock;
  log: Log;
  sayProblem(topic: string, text: string | null): void;
}

/** `GET /remote-control`. */
export interface RemoteControlState {
  /** Where it listens; null where it does not. */
  url: string | null;
  /** Of a certificate that this host made; null where one was given, which is known by its issuer. */
  fingerprint: string | null;
  tokenCount: number;
  /** How to switch it on, or what is wrong; null where it works. */
  text: string | null;
}

interface Opened {
  settings: RemoteControl;
  server: RemoteServer;
  tokens: TokenList;
  certificate: RemoteCertificate;
  stamp: string;
}

export const HOW_TO_SWITCH_ON =
  'remote control is off; remoteControl: {} in the cluster file (nlb apply) switches it on, nlb token add lets somebody in';

export class RemoteControlDoor {
  private opened: Opened | null = null;
  /** Those that listen no more and still answer. BOUNDED: each for some seconds. */
  private readonly leaving = new Set<RemoteServer>();
  private problem: string | null = null;
  private working: Promise<void> | null = null;
  private isClosed = false;

  constructor(private readonly options: RemoteControlOptions) {}

  state(): RemoteControlState {
    const { self } = this.options;
    if (this.opened === null) {
      return { url: null, fingerprint: null, tokenCount: 0, text: this.problem ?? HOW_TO_SWITCH_ON };
    }
    const { settings, certificate, tokens } = this.opened;
    const host = self.dedicatedIp.includes(':') ? `[${self.dedicatedIp}]` : self.dedicatedIp;
    return {
      url: `https://${host}:${settings.port}`,
      fingerprint: certificate.isGiven ? null : certificate.fingerprint,
      tokenCount: tokens.all.length,
      text: this.problem,
    };
  }

  /** To be called now and then, and when a file came in force. */
  look(): void {
    if (this.isClosed) return;
    this.working ??= this.follow()
      .then(() => this.say(this.complaint()))
      .catch((error: Error) => this.say(error.message))
      .finally(() => {
        this.working = null;
      });
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.working;
    await Promise.all([this.opened?.server.close(), ...[...this.leaving].map((server) => server.close())]);
    this.forget();
  }

  private async follow(): Promise<void> {
    const wanted = this.options.file().remoteControl ?? null;
    const { opened } = this;
    if (opened !== null && JSON.stringify(opened.settings) !== JSON.stringify(wanted)) {
      this.leaving.add(opened.server);
      void opened.server.leave().then(() => this.leaving.delete(opened.server));
      this.forget();
    }
    if (wanted === null) return;
    if (this.opened === null) return this.open(wanted);
    const place = this.place(wanted);
    const stamp = certificateStamp(place);
    if (stamp !== this.opened.stamp) {
      const certificate = await loadCertificate(place);
      this.opened.server.show(certificate);
      Object.assign(this.opened, { certificate, stamp });
      this.options.log.info('remote control shows a renewed certificate');
    }
    this.opened.tokens.look();
    this.opened.server.look();
  }

  private async open(settings: RemoteControl): Promise<void> {
    const { self, door, clock, log, clusterFilePath } = this.options;
    const place = this.place(settings);
    const stamp = certificateStamp(place);
    const certificate = await loadCertificate(place);
    const tokens = new TokenList(resolve(dirname(clusterFilePath), settings.tokenFile));
    tokens.look();
    const server = new RemoteServer({
      address: self.dedicatedIp,
      port: settings.port,
      certificate,
      door,
      tokens,
      clock,
      log,
    });
    await server.open();
    this.opened = { settings, server, tokens, certificate, stamp };
    const { url, fingerprint } = this.state();
    log.info(`remote control is open at ${url}${fingerprint === null ? '' : `, certificate ${fingerprint}`}`);
  }

  private forget(): void {
    if (this.opened !== null) this.options.log.info('remote control is closed');
    this.opened = null;
  }

  private complaint(): string | null {
    return this.opened === null ? null : certificateProblem(this.opened.certificate, this.options.clock.wallIso());
  }

  private say(problem: string | null): void {
    this.problem = problem;
    this.options.sayProblem('remoteControl', problem);
  }

  private place(settings: RemoteControl) {
    const { self, clusterFilePath, stateDirectory, file } = this.options;
    return { settings, self, clusterFilePath, stateDirectory, clusterName: file().clusterName };
  }
}

export function remoteControlRoute(state: () => RemoteControlState): Route {
  return {
    method: 'GET',
    path: '/remote-control',
    role: 'read',
    isForAnyHost: true,
    summary: 'Whether and where this host listens for remote control, and the fingerprint of its certificate.',
    replies: { 200: 'RemoteControlState' },
    handle: () => ({ code: 200, body: state() }),
  };
}
