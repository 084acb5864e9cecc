/** The sidecar's own admin server (host/admin/server.ts) with a status the test sets. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEvents, type Events } from '../../host/admin/events.js';
import { adminRoutes } from '../../host/admin/routes.js';
import { type AdminServer, openAdminServer } from '../../host/admin/server.js';
import type { ClusterStatus } from '../../host/admin/status.js';
import { adminApi } from '../host/admin-fixture.js';

const ADDRESS = '127.0.97.2';
/** None that the kernel gives to a browser which looks in vain for the page that was stopped. */
const PORT = 7698;

export class PageServer {
  private readonly directory = mkdtempSync(join(tmpdir(), 'nlb-page-'));
  private server: AdminServer | null = null;
  private events: Events | null = null;

  constructor(private shown: ClusterStatus) {}

  get url(): string {
    return `http://${ADDRESS}:${PORT}/`;
  }

  /** Everybody who watches hears of it at once. */
  set status(status: ClusterStatus) {
    this.shown = status;
    this.events?.changed();
  }

  async start(): Promise<void> {
    const unused = () => Promise.reject(new Error('the page only reads the status'));
    const api = adminApi({ status: () => this.shown, examination: unused, explain: unused, verb: unused });
    const socketPath = join(this.directory, 'nlb.sock');
    this.events = createEvents(() => this.shown);
    const door = { routes: adminRoutes(api), elsewhere: async () => null, events: this.events };
    const log = { repeating: () => {} };
    this.server = await openAdminServer({ door, socketPath, page: { address: ADDRESS, port: PORT }, log });
  }

  /** As when the sidecar dies: open connections are cut, new ones refused. */
  async stop(): Promise<void> {
    const server = this.server;
    this.server = null;
    this.events?.close();
    await server?.close();
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
