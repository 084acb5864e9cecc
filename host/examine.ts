/** What this sidecar finds out about its own host for `nlb doctor`; host/doctor judges it. */
import { networkInterfaces } from 'node:os';
import type { ClusterStatus } from './admin/status.js';
import type { HostFacts, ServiceFacts } from './doctor/facts.js';
import { dial } from './edge/dial.js';
import { knock } from './edge/knock.js';
import { type Listening, listeningSockets } from './edge/listening.js';
import { type LookKind, lookAt } from './edge/smtp-look.js';
import { mayAdministerNetwork } from './edge/nft.js';
import { examineLeft } from './examine-left.js';
import { exposedSockets, onDisabledPorts, ownAddresses, socketTexts } from './examine-sockets.js';
import { atPort, MAIL_PORTS, serviceOf } from './protocol/config/index.js';
import type { ClusterFile, HostConfig, PortRule, Service } from './protocol/types.js';
import { isOurLabel } from './kernel/names.js';
import { findLinks } from './virtual-ip/link.js';
import { whoAnswers } from './virtual-ip/neighbours.js';

/** A second question goes out in that time. */
const ANSWER_MS = 1200;

/** Ports whose services speak TLS from the first byte; 465 is SMTP behind it. */
const TLS_PORTS = new Set([443, 636, 993, 995]);
const SMTPS_PORT = 465;
/** Its greeting has the 220 of SMTP. */
const FTP_PORT = 21;
const KNOCK_TIMEOUT_MS = 2000;

export async function examine(
  self: HostConfig,
  file: ClusterFile,
  status: ClusterStatus,
  at: string,
  formerVirtualIps: readonly string[] = [],
): Promise<HostFacts> {
  const sockets = listeningSockets();
  const others = file.hosts.filter(({ name }) => name !== self.name);
  const rules = file.portRules.filter(({ service }) => service !== null);
  const own = ownAddresses();
  const [handoffs, remoteControls, services, link, left, listening] = await Promise.all([
    Promise.all(others.map((host) => handoffTo(self, host, file.ports.handoff))),
    remoteControlsOf(file),
    Promise.all(rules.map((rule) => serviceFacts(file, rule, self, sockets, own))),
    linkFacts(file, self),
    examineLeft(file, self, formerVirtualIps),
    sockets,
  ]);
  return {
    host: self.name,
    at,
    status,
    handoffs,
    ...(remoteControls.length > 0 ? { remoteControls } : {}),
    services,
    onDisabledPorts: onDisabledPorts(file, listening),
    virtualIpsHere: virtualIpsHere(file),
    ...link,
    ...left,
  };
}

async function handoffTo(self: HostConfig, host: HostConfig, port: number): Promise<HostFacts['handoffs'][number]> {
  const failure = await knock(self.dedicatedIp, host.dedicatedIp, port, KNOCK_TIMEOUT_MS);
  return { host: host.name, address: host.dedicatedIp, failure };
}

/** Of every host, this one as well: where its own does not answer here, no firewall between them is the cause. */
async function remoteControlsOf({ remoteControl, hosts }: ClusterFile): Promise<HostFacts['handoffs']> {
  if (remoteControl === undefined) return [];
  return Promise.all(
    hosts.map(async ({ name, dedicatedIp }) => {
      const to = { host: dedicatedIp, port: remoteControl.port };
      const failure = await dial({ to, say: null, expect: null, farewell: null, timeoutMs: KNOCK_TIMEOUT_MS });
      return { host: name, address: dedicatedIp, failure };
    }),
  );
}

async function serviceFacts(
  file: ClusterFile,
  rule: PortRule,
  self: HostConfig,
  sockets: Promise<readonly Listening[]>,
  own: ReadonlySet<string>,
): Promise<ServiceFacts> {
  const service = serviceOf(rule, self)!;
  const kind = lookKind(rule, service);
  // A service of a wide rule is looked at where it is checked.
  const address = atPort(service.address, service.check.port ?? rule.portFirst);
  const look = kind === null ? null : await lookAt({ ...service, address }, self.dedicatedIp, kind);
  return {
    rule: rule.name,
    address: service.address,
    exposed: socketTexts(exposedSockets({ file, rule, self, service: service.address }, await sockets, own)),
    smtp: look?.smtp ?? null,
    certificateEnds: look?.certificateEnds ?? null,
    failure: look?.failure ?? null,
  };
}

/** What a service speaks, by its port and by the greeting that its check expects; null where it is not asked anything. Exported for tests. */
export function lookKind(
  { portFirst, portLast }: Pick<PortRule, 'portFirst' | 'portLast'>,
  { check }: Service,
): LookKind | null {
  const port = portFirst === portLast ? portFirst : null;
  if (port === SMTPS_PORT) return 'smtps';
  if (port !== null && TLS_PORTS.has(port)) return 'tls';
  if (port !== null && MAIL_PORTS.includes(port)) return 'smtp';
  return check.expect.startsWith('220') && port !== FTP_PORT ? 'smtp' : null;
}

function virtualIpsHere({ virtualIps }: ClusterFile): HostFacts['virtualIpsHere'] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses
      .filter(({ address }) => virtualIps.includes(address))
      // Addresses with a label (eth0:nlb) are listed under that.
      .map(({ address }) => ({
        address,
        interface: name.replace(/:.*$/, ''),
        ...(isOurLabel(name) ? { isOfMode: true } : {}),
      })),
  );
}

/** This host asks its link who has the virtual IPs that rules listen on. */
async function linkFacts(
  file: ClusterFile,
  self: HostConfig,
): Promise<Pick<HostFacts, 'mac' | 'virtualIpAnswers' | 'answersUnknown'>> {
  const { link } = findLinks(file, self);
  if (link === null || file.listenOn !== 'virtualIp' || file.virtualIps.length === 0) return {};
  const { device, mac } = link;
  if (!mayAdministerNetwork()) return { mac, answersUnknown: 'this sidecar does not have CAP_NET_ADMIN' };
  const answers = await whoAnswers([], device, file.virtualIps, ANSWER_MS).catch(() => new Map<string, string>());
  return { mac, virtualIpAnswers: [...answers].map(([address, answered]) => ({ address, mac: answered })) };
}
