/**
 * The doors of a sidecar, through all of which the same can be asked (admin/route.ts): the control socket, the page on
 * loopback and the host channel.
 */
import { createEvents, type Events } from './admin/events.js';
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
    const routes = () => this.routes.filter(({ isForAnyHost }) => isForAnyHost);
    this.elsewhere = new Elsewhere({ self: host.name, channel: this.channel, hosts, log, routes });
    this.applying = applyingOf(sidecar, this.channel, revisions);
    const own = [...adminRoutes(api), ...applyRoutes(this.applying, host.name), ...this.keys.routes];
    this.routes = [...own, openApiRoute(() => this.routes)];
    this.events = createEvents(() => api.status());
  }

  /** @throws EdgeError PORT_TAKEN, STATE_DIRECTORY_UNUSABLE */
  async open(): Promise<void> {
    await this.channel.open();
    const { routes, events, elsewhere, socketPath } = this;
    const door = { routes, events, elsewhere: (method: string, url: URL) => elsewhere.answer(method, url) };
    this.admin = await openAdminServer({ door, socketPath, page: this.pageAddress() });
  }

  /** Everybody who watches hears of a change at once. */
  changed(): void {
    this.events.changed();
  }

  /** To be called now and then, and when something came in force. */
  look(): void {
    this.applying.look();
    this.keys.look();
  }

  async close(): Promise<void> {
    this.events.close();
    await this.admin?.close();
    await this.channel.close();
  }

  private pageAddress(): { address: string; port: number } {
    const { dedicatedIp } = this.sidecar.options.host;
    // In a test cluster on loopback every host has an address of its own there, and the port is the same for all.
    const address = dedicatedIp.startsWith('127.') ? dedicatedIp : '127.0.0.1';
    return { address, port: this.sidecar.file.ports.page };
  }
}
