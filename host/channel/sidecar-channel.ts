/** A sidecar's part in the host channel: what it answers there, and what its control socket passes on to other hosts. */
import type { IncomingMessage } from 'node:http';
import type { AdminApi, Reply } from '../admin/api.js';
import type { Applying } from '../apply/applying.js';
import { applyControl, listedRevisions } from '../apply/control.js';
import { applyingOf } from '../apply/sidecar-apply.js';
import type { RevisionStore } from '../apply/store.js';
import type { HostName } from '../protocol/types.js';
import type { Sidecar } from '../sidecar.js';
import { HostChannel } from './channel.js';
import { Elsewhere } from './elsewhere.js';

export class SidecarChannel {
  readonly channel: HostChannel;
  private readonly elsewhere: Elsewhere;
  private readonly applying: Applying;
  private readonly self: HostName;

  constructor(sidecar: Sidecar, api: AdminApi, store: RevisionStore) {
    const { host, keys, log } = sidecar.options;
    this.self = host.name;
    const hosts = () => sidecar.file.hosts;
    const { clusterName, ports } = sidecar.file;
    this.channel = new HostChannel({ self: host, clusterName, keys, port: ports.channel, hosts, log });
    const more = (method: string, path: string) => listedRevisions(this.applying, method, path);
    this.elsewhere = new Elsewhere({ self: host.name, channel: this.channel, api, hosts, log, more });
    this.applying = applyingOf(sidecar, this.channel, store);
  }

  /** @throws EdgeError PORT_TAKEN */
  open(): Promise<void> {
    return this.channel.open();
  }

  /** What the control socket asks before its own answers; null where it is none of this. */
  async control(method: string, url: URL, request: IncomingMessage): Promise<Reply | null> {
    const elsewhere = await this.elsewhere.answer(method, url);
    return elsewhere ?? applyControl(this.applying, this.self, method, url.pathname, request);
  }

  /** To be called now and then, and when something came in force. */
  look(): void {
    this.applying.look();
  }

  close(): Promise<void> {
    return this.channel.close();
  }
}
