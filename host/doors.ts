/**
 * The doors of a sidecar, through all of which the same can be asked (admin/route.ts): the control socket, the page on
 * loopback, the host channel and, where the cluster file has it, remote control.
 */
import { dirname } from 'node:path';
import type { Door } from './admin/door.js';
import { createEvents, type Events } from './admin/events.js';
import { clientRoutes } from './admin/client-routes.js';
import { openApiRoute } from './admin/openapi.js';
import type { Route } from './admin/route.js';
import { adminRoutes } from './admin/routes.js';
import { type AdminServer, openAdminServer } from './admin/server.js';
import type { Applying } from './apply/applying.js';
import { applyRoutes } from './apply/control.js';
import { applyingOf } from './apply/sidecar-apply.js';
import type { RevisionStore } from './apply/store.js';
import { HostChannel } from './channel/channel.js';
import { Elsewhere } from './channel/elsewhere.js';
import { SidecarKeys } from './keys/sidecar-keys.js';
import { RemoteControlDoor, remoteControlRoute } from './remote/remote-control.js';
import type { Sidecar } from './sidecar.js';
import { SidecarApi } from './sidecar-api.js';

export class Doors {
  private readonly channel: HostChannel;
  /** What this host answers. */
  private readonly routes: readonly Route[];
  private readonly elsewhere: Elsewhere;
  private readonly applying: Applying;
  private readonly keys: SidecarKeys;
  private readonly events: Events;
  private readonly door: Door;
  private readonly remote: RemoteControlDoor;
  private admin: AdminServer | null = null;

  constructor(
    private readonly sidecar: Sidecar,
    private readonly socketPath: string,
    revisions: RevisionStore,
  ) {
    const { host, keyring, log } = sidecar.options;
    const api = new SidecarApi(sidecar);
    const hosts = () => sidecar.file.hosts;
    const { clusterName, ports } = sidecar.file;
    const { keys } = keyring;
    this.channel = new HostChannel({ self: host, clusterName, keys, port: ports.channel, hosts, log });
    this.keys = new SidecarKeys(sidecar, this.channel);
    const forAnyHost = () => this.routes.filter(({ isForAnyHost }) => isForAnyHost);
    this.elsewhere = new Elsewhere({ self: host.name, channel: this.channel, hosts, log, routes: forAnyHost });
    this.applying = applyingOf(sidecar, this.channel, revisions);
    sidecar.stick.speakBy(this.channel);
    const looking = [...adminRoutes(api), ...clientRoutes(sidecar.stick)];
    const own = [...looking, ...applyRoutes(this.applying, host.name), ...this.keys.routes];
    const remote = remoteControlRoute(() => this.remote.state());
    this.routes = [...own, remote, openApiRoute(() => this.routes)];
    this.events = createEvents(() => api.status());
    const { routes, events, elsewhere } = this;
    this.door = { routes, events, elsewhere: (method, url) => elsewhere.answer(method, url) };
    this.remote = this.createRemote();
  }

  /** @throws EdgeError PORT_TAKEN, STATE_DIRECTORY_UNUSABLE */
  async open(): Promise<void> {
    await this.channel.open();
    const { door, socketPath } = this;
    const { log } = this.sidecar.options;
    this.admin = await openAdminServer({ door, socketPath, page: this.pageAddress(), log });
  }

  /** Everybody who watches hears of a change at once. */
  changed(): void {
    this.events.changed();
  }

  /** To be called now and then, and when something came in force. */
  look(): void {
    this.applying.look();
    this.keys.look();
    this.remote.look();
  }

  async close(): Promise<void> {
    this.events.close();
    await this.remote.close();
    await this.admin?.close();
    await this.channel.close();
  }

  private createRemote(): RemoteControlDoor {
    const { sidecar, door, socketPath } = this;
    const { host, filePath, clock, log } = sidecar.options;
    return new RemoteControlDoor({
      self: host,
      clusterFilePath: filePath,
      stateDirectory: dirname(socketPath),
      file: () => sidecar.file,
      door,
      clock,
      log,
      sayProblem: (topic, text) => sidecar.sayProblem(topic, text),
    });
  }

  private pageAddress(): { address: string; port: number } {
    const { dedicatedIp } = this.sidecar.options.host;
    // In a test cluster on loopback every host has an address of its own there, and the port is the same for all.
    const address = dedicatedIp.startsWith('127.') ? dedicatedIp : '127.0.0.1';
    return { address, port: this.sidecar.file.ports.page };
  }
}
