/**
 * Envoy's listeners: one for each port and address of each rule (beyond 1,024 of them, see redirect-listener.ts), and the
 * handoff listener. A listener that changes drains
 * its connections and finally resets them, so nothing stands here that changes with views, weights or states.
 */
import type { ClusterFile, HostConfig, HostName, PortRule } from '../types.js';
import { clientLog } from './client-log.js';
import { connectionLog } from './connection-log.js';
import { handoffListener } from './handoff-listener.js';
import type { HandoffSecrets } from './handoff-tls.js';
import { ruleListener, ruleStatPrefix } from './names.js';
import type { EnvoyPaths } from './paths.js';
import { redirectListeners } from './redirect-listener.js';
import { addressesOf, hostNamed, isRedirected, portsIn, rangesAt, rulesServed } from './rules.js';
import { type EnvoyJson, listenerOn, typed } from './sockets.js';
import { decisionFilter, ruleProxy } from './tcp-proxy.js';

export function listeners(
  file: ClusterFile,
  self: HostName,
  paths: EnvoyPaths,
  secrets: HandoffSecrets | null = null,
): EnvoyJson[] {
  const ownHost = hostNamed(file, self);
  const listening = rulesServed(file).filter((rule) => !isRedirected(file, rule));
  const ofRules = listening.flatMap((rule) =>
    addressesOf(file, rule, ownHost).flatMap((address) =>
      portsIn(rangesAt(file, rule, address)).map((port) => listenerOf(file, rule, ownHost, address, port, paths)),
    ),
  );
  return [...ofRules, ...redirectListeners(file, ownHost, paths), handoffListener(file, ownHost, paths, secrets)];
}

function listenerOf(
  file: ClusterFile,
  rule: PortRule,
  ownHost: HostConfig,
  address: string,
  port: number,
  paths: EnvoyPaths,
): EnvoyJson {
  const name = ruleStatPrefix(rule.name);
  return typed('envoy.config.listener.v3.Listener', {
    ...listenerOn(ruleListener(rule, address, port), name, address, port, file.listenOn === 'virtualIp'),
    ...connectionLog(file, ownHost.name),
    filter_chains: [
      {
        name,
        filters: [decisionFilter(paths), ...ruleProxy(rule, ownHost, name, clientLog(rule, paths, 'served'))],
      },
    ],
  });
}
