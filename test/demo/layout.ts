/**
 * Where everything of the demo lies: three hosts on loopback addresses of their own, their ports and their files under
 * `.run/`. All of it works as a plain user: no port below 1024, and all of 127/8 is this machine.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** build/test/demo/layout.js -> the project's folder. */
export const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));
export const RUN_DIRECTORY = join(PROJECT, '.run');
export const SIDECAR_PROGRAM = join(PROJECT, 'build/host/main.js');
export const SMTP_PROGRAM = join(PROJECT, 'build/test/demo/smtp-server.js');

export interface DemoPorts {
  /** The rule's port, where clients come in, on each host's address. */
  smtp: number;
  /** The SMTP server itself, behind Envoy, on each host's address. */
  service: number;
  heartbeat: number;
  handoff: number;
  channel: number;
  page: number;
}

export interface DemoHost {
  name: string;
  priority: number;
  address: string;
  /** The sidecar's state directory; mail, logs and pid files of this host lie in it too. */
  directory: string;
}

export interface Layout {
  directory: string;
  clusterFile: string;
  keyFile: string;
  ports: DemoPorts;
  hosts: DemoHost[];
}

const PORTS: DemoPorts = { smtp: 2525, service: 2526, heartbeat: 7620, handoff: 7620, channel: 7621, page: 7622 };
/** Ports from the base on that `--port-base` takes. */
export const PORT_BASE_SPAN = 5;

/** @param portBase  first of five ports in a row to use in place of the usual ones, or null for those */
export function layoutOf(portBase: number | null, directory = RUN_DIRECTORY): Layout {
  const hosts = [1, 2, 3].map((priority) => ({
    name: `mail${priority}`,
    priority,
    address: `127.0.1.${priority}`,
    directory: join(directory, `mail${priority}`),
  }));
  const ports = portBase === null ? PORTS : portsFrom(portBase);
  return {
    directory,
    clusterFile: join(directory, 'cluster.yaml'),
    keyFile: join(directory, 'cluster.key'),
    ports,
    hosts,
  };
}

function portsFrom(base: number): DemoPorts {
  return { smtp: base, service: base + 1, heartbeat: base + 2, handoff: base + 2, channel: base + 3, page: base + 4 };
}

export const mailDirectory = (host: DemoHost) => join(host.directory, 'mail');
export const logFile = (host: DemoHost, part: 'sidecar' | 'smtp') => join(host.directory, `${part}.log`);
export const pidFile = (host: DemoHost, part: 'sidecar' | 'smtp' | 'envoy') => join(host.directory, `${part}.pid`);
export const pageUrl = (host: DemoHost, ports: DemoPorts) => `http://${host.address}:${ports.page}/`;
