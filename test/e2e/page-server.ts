/** The files of host/admin/ui and a status the test sets, on a free port of 127.0.0.1, with the strictest CSP. */
import { readFileSync } from 'node:fs';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClusterStatus } from '../../host/admin/status.js';

const FOLDER = new URL('../../host/admin/ui/', import.meta.url);
const TYPES: Record<string, string> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };

export class PageServer {
  private server: Server | null = null;
  private port = 0;

  constructor(public status: ClusterStatus) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** The first start takes a free port; a later one the same again. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const path = request.url === '/' ? 'index.html' : (request.url ?? '').slice(1);
      response.setHeader('Content-Security-Policy', "default-src 'self'; img-src data:");
      if (path === 'status') {
        response.setHeader('Content-Type', 'application/json').end(JSON.stringify(this.status));
        return;
      }
      response.setHeader('Content-Type', TYPES[path.split('.').at(-1) ?? ''] ?? 'text/plain');
      response.end(readFileSync(new URL(path, FOLDER)));
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  /** As when the sidecar dies: open connections are cut, new ones refused. */
  async stop(): Promise<void> {
    const server = this.server;
    this.server = null;
    if (server === null) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
