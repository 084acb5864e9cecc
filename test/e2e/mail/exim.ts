/**
 * An exim of its own directory that keeps every mail for `example.test` behind a PROXY header of either version.
 *
 * Debian's mail servers exclude each other as packages, so set-up unpacks exim beside postfix and installs nothing
 * (scripts/unpack.mjs). It sees itself as installed: its files laid over /usr, and its user in the passwd and group file.
 */
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../harness/wait.js';
import { Contained } from './contained.js';
import type { Server } from './mail-host.js';

const EXIM_USER = 2526;

/** Where set-up unpacks it; the same rule as in scripts/setup.mjs. */
function eximRoot(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(process.env.ENVOY_NLB_CACHE ?? join(cache, 'envoy-nlb'), 'exim4-daemon-heavy');
}

export function whyNoExim(): string | null {
  return existsSync(eximRoot()) ? null : `exim is not unpacked at ${eximRoot()}; npm test does so as root on Debian`;
}

export interface EximOptions {
  directory: string;
  hostname: string;
  address: string;
  port: number;
}

export class Exim implements Server {
  private readonly contained: Contained;

  constructor(private readonly options: EximOptions) {
    const { directory } = options;
    for (const folder of ['spool', 'mail', 'log']) {
      mkdirSync(join(directory, folder), { recursive: true });
      chownSync(join(directory, folder), EXIM_USER, EXIM_USER);
    }
    const configuration = join(directory, 'exim.conf');
    writeFileSync(configuration, configurationOf(options));
    const line = `Debian-exim:x:${EXIM_USER}:`;
    writeFileSync(
      join(directory, 'passwd'),
      `${readFileSync('/etc/passwd', 'utf8')}${line}${EXIM_USER}::/:/bin/false\n`,
    );
    writeFileSync(join(directory, 'group'), `${readFileSync('/etc/group', 'utf8')}${line}\n`);
    this.contained = new Contained({
      command: ['/usr/sbin/exim4', '-C', configuration, '-bdf'],
      logFile: join(directory, 'printed.log'),
      binds: {
        '/etc/passwd': join(directory, 'passwd'),
        '/etc/group': join(directory, 'group'),
        '/usr': join(eximRoot(), 'usr'),
      },
    });
  }

  async start(): Promise<void> {
    const log = join(this.options.directory, 'log/mainlog');
    const listens = () => existsSync(log) && readFileSync(log, 'utf8').includes('daemon started');
    this.contained.start();
    await waitFor(`exim at ${this.options.address}:${this.options.port}`, listens).catch((error: Error) => {
      throw new Error(`${error.message}\n${readFileSync(join(this.options.directory, 'printed.log'), 'utf8')}`);
    });
  }

  kill(): Promise<void> {
    return this.contained.kill();
  }

  get mailDirectory(): string {
    return join(this.options.directory, 'mail/new');
  }
}

function configurationOf({ directory, hostname, address, port }: EximOptions): string {
  return `primary_hostname = ${hostname}
keep_environment =
spool_directory = ${directory}/spool
log_file_path = ${directory}/log/%slog
pid_file_path = ${directory}/spool/exim.pid
local_interfaces = ${address}
daemon_smtp_ports = ${port}
hosts_proxy = 127.0.0.0/8
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
acl_smtp_rcpt = check
begin acl
check:
  accept domains = example.test
  deny message = relay not permitted
begin routers
keep:
  driver = accept
  domains = example.test
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = ${directory}/mail
  maildir_format
  envelope_to_add
  user = Debian-exim
`;
}
