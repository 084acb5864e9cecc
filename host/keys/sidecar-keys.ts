/** The cluster key's way to the sidecar it is changed in. */
import type { Route } from '../admin/route.js';
import type { HostChannel } from '../channel/channel.js';
import { handoffIdentityOf } from '../edge/cluster-identity.js';
import type { Sidecar } from '../sidecar.js';
import { HeldKeys } from './held-keys.js';
import { answerKeys, Rotation } from './rotation.js';
import { keyRoutes } from './routes.js';

/** A step waits for Envoy (edge/handoff-secrets.ts) and a disk. */
const STEP_TIMEOUT_MS = 8000;

export class SidecarKeys {
  readonly routes: readonly Route[];
  private readonly held: HeldKeys;

  constructor(sidecar: Sidecar, channel: HostChannel) {
    const { host, keyring, log } = sidecar.options;
    const { clusterName } = sidecar.file;
    this.held = new HeldKeys({
      self: host.name,
      keyring,
      log,
      async use(keys) {
        channel.useKeys(keys);
        await sidecar.envoy.useIdentity(handoffIdentityOf(keys, clusterName));
      },
      sayProblem: (topic, text) => sidecar.sayProblem(topic, text),
      nowMs: () => sidecar.options.clock.nowMs(),
    });
    const rotation = new Rotation({
      self: host.name,
      held: this.held,
      hosts: () => sidecar.file.hosts,
      settleMs: () => sidecar.file.heartbeat.periodMs,
      ask: (name, path, body) => channel.askFor(name, path, body, STEP_TIMEOUT_MS),
    });
    this.routes = keyRoutes(this.held, rotation);
    channel.on('keys', async ({ from, url, method, body }) => {
      const kind = url.pathname.slice('/keys/'.length);
      if (method === 'POST') log.info(`host ${from} asks to ${kind} a cluster key`);
      const answer = await answerKeys(this.held, kind, body);
      return answer === null
        ? { code: 404, body: { ok: false, text: `nothing at ${url.pathname}` } }
        : { code: 200, body: answer };
    });
  }

  look(): void {
    this.held.look();
  }
}
