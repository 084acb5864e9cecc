/**
 * The host channel of one sidecar: other hosts of the cluster are asked by name, and what they ask goes to whoever offers
 * an answer under that path. It carries status, verbs and the cluster file; nothing that decides connections depends on it.
 */
import { askChannel } from '../edge/channel-client.js';
import {
  type ChannelReply,
  type ChannelRequest,
  type ChannelServer,
  openChannelServer,
} from '../edge/channel-server.js';
import { channelIdentity } from '../edge/cluster-identity.js';
import { type ClusterKeys, otherKeys } from '../edge/key-file.js';
import type { Log } from '../edge/log.js';
import { parseAddress } from '../protocol/config/address.js';
import type { HostConfig, HostName, Milliseconds } from '../protocol/types.js';
import type { HandoffIdentity } from '../protocol/xds/index.js';

export interface ChannelOptions {
  self: HostConfig;
  clusterName: string;
  keys: ClusterKeys;
  port: number;
  /** All hosts that may ask and be asked: those of the file in force, and of one that is about to be. */
  hosts(): readonly HostConfig[];
  log: Log;
}

/** What is asked under a path that begins with the prefix it was registered for. */
export type ChannelHandler = (request: ChannelRequest) => Promise<ChannelReply>;

export interface Question {
  method: 'GET' | 'POST';
  /** Path and query. */
  path: string;
  /** JSON-safe. @default none */
  body?: unknown;
  /** @default 3000 */
  timeoutMs?: number;
}

/** The host did not answer; `reason` is a part of a sentence. */
export class HostSilent extends Error {
  constructor(
    readonly host: HostName,
    readonly reason: string,
  ) {
    super(`host ${host} does not answer: ${reason}`);
    this.name = 'HostSilent';
  }
}

const ANSWER_TIMEOUT_MS = 3000;

export class HostChannel {
  private server: ChannelServer | null = null;
  private identity: HandoffIdentity;
  /** BOUNDED: by the few that register at the start. */
  private readonly handlers = new Map<string, ChannelHandler>();

  constructor(private readonly options: ChannelOptions) {
    this.identity = identityOf(options.keys, options.clusterName);
  }

  /** Answers paths of `/prefix` and `/prefix/...`. To be called before open(). */
  on(prefix: string, handler: ChannelHandler): void {
    this.handlers.set(prefix, handler);
  }

  /** @throws EdgeError PORT_TAKEN */
  async open(): Promise<void> {
    const { self, port, log } = this.options;
    this.server = await openChannelServer({
      address: self.dedicatedIp,
      port,
      identity: this.identity,
      hostAt: (address) => this.hostAt(address),
      answer: (request) => this.answer(request),
      log,
      onRefused: (address, reason) => {
        log.repeating('warning', `channel ${address}`, `Host channel: ${address} was turned away: ${reason}`);
      },
    });
  }

  /** @throws HostSilent */
  async ask(name: HostName, question: Question): Promise<ChannelReply> {
    const { self, port } = this.options;
    const host = this.options.hosts().find((each) => each.name === name);
    if (host === undefined) throw new HostSilent(name, 'the cluster file does not list it');
    const { method, path, body = null, timeoutMs = ANSWER_TIMEOUT_MS } = question;
    const [fromAddress, toAddress] = [self.dedicatedIp, host.dedicatedIp];
    try {
      return await askChannel({ identity: this.identity, fromAddress, toAddress, port, method, path, body, timeoutMs });
    } catch (error) {
      throw new HostSilent(name, (error as Error).message);
    }
  }

  /** The body of an answer that is a yes. @throws HostSilent also where it is another, with what was said */
  async askFor<T>(name: HostName, path: string, body: unknown, timeoutMs: Milliseconds): Promise<T> {
    const method = body === undefined ? 'GET' : 'POST';
    const reply = await this.ask(name, { method, path, body: body ?? null, timeoutMs });
    if (reply.code === 200) return reply.body as T;
    const said = (reply.body as { text?: unknown } | null)?.text;
    throw new HostSilent(name, typeof said === 'string' ? said : `it answers ${path} with ${reply.code}`);
  }

  /** Shows the first key from now on and accepts all of them. */
  useKeys(keys: ClusterKeys): void {
    this.identity = identityOf(keys, this.options.clusterName);
    this.server?.use(this.identity);
  }

  async close(): Promise<void> {
    await this.server?.close();
  }

  private hostAt(address: string): HostName | null {
    const { self } = this.options;
    const host = this.options.hosts().find((each) => parseAddress(each.dedicatedIp)?.text === address);
    return host === undefined || host.name === self.name ? null : host.name;
  }

  private async answer(request: ChannelRequest): Promise<ChannelReply> {
    const [, first = ''] = request.url.pathname.split('/');
    const handler = this.handlers.get(first);
    if (handler) return handler(request);
    const text = `host ${this.options.self.name} knows no ${request.url.pathname} on the host channel; is its release older?`;
    return { code: 404, body: { ok: false, text } };
  }
}

function identityOf(keys: ClusterKeys, clusterName: string): HandoffIdentity {
  return channelIdentity(Buffer.from(keys.sealing.bytes), clusterName, otherKeys(keys));
}
