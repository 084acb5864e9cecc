/** HAProxy and nginx as somebody would write them down for this: one thread, clients spread by address. */
import type { Place } from './load-process.js';
import { type ProxyProcess, startProxy } from './proxy-process.js';

/** Ends with the benchmark, however that ends; Envoy asks for this by itself. */
export const TOGETHER = ['setpriv', '--pdeathsig', 'TERM'];

interface HaproxyMore {
  /** Lines of its own in `global`. */
  global?: string[];
  /** What stands behind the i-th server. */
  serverOption?(i: number): string;
}

export function haproxyConfig(place: Place, services: readonly Place[], more: HaproxyMore = {}): string {
  const { global = [], serverOption = () => '' } = more;
  const servers = services.map(({ host, port }, i) => `  server s${i + 1} ${host}:${port}${serverOption(i)}`);
  return `global
  nbthread 1
  maxconn 9000
${global.map((line) => `  ${line}\n`).join('')}defaults
  mode tcp
  timeout connect 1s
  timeout client 1h
  timeout server 1h
listen smtp
  bind ${place.host}:${place.port}
  balance source
${servers.join('\n')}
`;
}

export function startHaproxy(
  name: string,
  place: Place,
  services: readonly Place[],
  prefix: string[] = [],
): Promise<ProxyProcess> {
  return startProxy({
    name,
    config: haproxyConfig(place, services),
    place,
    prefix,
    command: (path) => [...TOGETHER, '/usr/sbin/haproxy', '-db', '-f', path],
  });
}

export function startNginx(
  name: string,
  place: Place,
  services: readonly Place[],
  prefix: string[] = [],
): Promise<ProxyProcess> {
  const servers = services.map(({ host, port }) => `    server ${host}:${port};`).join('\n');
  const config = `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
worker_processes 1;
daemon off;
pid {directory}/pid;
error_log {directory}/error.log;
events { worker_connections 9000; }
stream {
  upstream smtp {
    hash $remote_addr consistent;
${servers}
  }
  server {
    listen ${place.host}:${place.port};
    proxy_pass smtp;
  }
}
`;
  const command = (path: string, directory: string) => [...TOGETHER, '/usr/sbin/nginx', '-c', path, '-p', directory];
  return startProxy({ name, config, place, prefix, command });
}
