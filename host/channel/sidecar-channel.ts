/** A sidecar's part in the host channel: what it answers there, and what its control socket passes on to other hosts. */
import type { IncomingMessage } from 'node:http';
import type { AdminApi, Reply } from '../admin/api.js';
import type { Sidecar } from '../sidecar.js';
import { HostChannel } from './channel.js';
import { Elsewhere } from './elsewhere.js';

export class SidecarChannel {
  readonly channel: HostChannel;
  private readonly elsewhere: Elsewhere;

  constructor(sidecar: Sidecar, api: AdminApi) {
    const { host, keys, log } = sidecar.options;
    const hosts = () => sidecar.file.hosts;
    const { clusterName, ports } = sidecar.file;
    this.channel = new HostChannel({ self: host, clusterName, keys, port: ports.channel, hosts, log });
    this.elsewhere = new Elsewhere({ self: host.name, channel: this.channel, api, hosts, log });
  }

  /** @throws EdgeError PORT_TAKEN */
  open(): Promise<void> {
    return this.channel.open();
  }

  /** What the control socket asks before its own answers; null where it is none of this. */
  control(method: string, url: URL, _request: IncomingMessage): Promise<Reply | null> {
    return this.elsewhere.answer(method, url);
  }

  close(): Promise<void> {
    return this.channel.close();
  }
}
