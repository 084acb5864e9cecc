/**
 * What an administrator asks of another host: `/hosts/NAME/status` at the own control socket is `/status` of that host. The
 * own sidecar carries it over the host channel, and the other one answers as if it had been asked at its own socket.
 *
 *     control socket  POST /hosts/mail2/stop  --- host channel  POST /admin/stop -->  mail2
 */
import { answerBy, no, type Reply, type Route } from '../admin/route.js';
import type { Log } from '../edge/log.js';
import type { HostConfig, HostName } from '../protocol/types.js';
import { HostSilent, type HostChannel } from './channel.js';

/** A verb may ask Envoy and the disk before it answers; less than the patience of `nlb` itself. */
export const VERB_TIMEOUT_MS = 8000;
const PREFIX = /^\/hosts\/([^/]+)(\/.*)$/;

export interface ElsewhereOptions {
  self: HostName;
  channel: HostChannel;
  log: Log;
  hosts(): readonly HostConfig[];
  /** What any host may be asked. */
  routes(): readonly Route[];
}

export class Elsewhere {
  constructor(private readonly options: ElsewhereOptions) {
    options.channel.on('admin', async ({ from, method, url }) => {
      const path = url.pathname.slice('/admin'.length);
      if (method === 'POST') options.log.info(`host ${from} asks for ${path.slice(1)} on behalf of its administrator`);
      return this.local(method, new URL(`${path}${url.search}`, url));
    });
  }

  /** @returns null where the path is none of `/hosts/NAME/...` */
  async answer(method: string, url: URL): Promise<Reply | null> {
    const [, wanted = '', path = ''] = PREFIX.exec(url.pathname) ?? [];
    if (path === '') return null;
    const { self, channel } = this.options;
    const asked = decoded(wanted);
    const name = this.nameOf(asked);
    if (name === null) return { code: 404, body: no(this.unknown(asked)) };
    const local = new URL(`${path}${url.search}`, url);
    if (name === self) return this.local(method, local);
    if (method !== 'GET' && method !== 'POST') return { code: 405, body: no(`expected GET or POST, got ${method}`) };
    try {
      return await channel.ask(name, { method, path: `/admin${path}${url.search}`, timeoutMs: VERB_TIMEOUT_MS });
    } catch (error) {
      if (error instanceof HostSilent) return { code: 502, body: no(error.message) };
      throw error;
    }
  }

  private async local(method: string, url: URL): Promise<Reply> {
    const asked = { url, by: null, role: 'configure' as const, body: async () => null };
    return (await answerBy(this.options.routes(), method, asked)) ?? notFound(url.pathname);
  }

  /** By name or host priority. */
  private nameOf(wanted: string): HostName | null {
    const host = this.options.hosts().find(({ name, priority }) => name === wanted || String(priority) === wanted);
    return host?.name ?? null;
  }

  private unknown(wanted: string): string {
    const names = this.options.hosts().map(({ name }) => name);
    return `There is no host ${wanted} in the cluster, expected one of ${names.join(', ')}`;
  }
}

/** `%zz` is nothing that a browser writes, and no host either. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function notFound(path: string): Reply {
  return { code: 404, body: no(`nothing at ${path}`) };
}
