/**
 * A postfix of its own directory, beside any other on the machine and without a file in /etc: one that keeps mail for
 * `example.test` behind a PROXY header (receivingPostfix), or one that queues and sends it (sending-postfix.ts).
 *
 *     D/etc  main.cf, master.cf    D/spool  the queue    D/data    D/mail/all/new  what it keeps    D/mail.log
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../harness/wait.js';
import { Contained } from './contained.js';

/** Who owns the stored mail; a number that nobody on the machine has. */
const MAIL_USER = 2525;

/** Every service of postfix that queueing and delivering needs, none in a chroot; from postfix' own master.cf. */
const MASTER = `cleanup  unix n - n - 0 cleanup
pickup   unix n - n 60 1 pickup
qmgr     unix n - n 300 1 qmgr
rewrite  unix - - n - - trivial-rewrite
bounce   unix - - n - 0 bounce
defer    unix - - n - 0 bounce
trace    unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp     unix - - n - - smtp
error    unix - - n - - error
retry    unix - - n - - error
discard  unix - - n - - discard
virtual  unix - n n - - virtual
anvil    unix - - n - 1 anvil
postlog  unix-dgram n - n - 1 postlogd
`;

export interface PostfixOptions {
  directory: string;
  hostname: string;
  address: string;
  port: number;
  /** Lines of main.cf after the common ones. */
  main: string;
  /** Lines of master.cf before the common ones: the listeners. */
  master: string;
  /** As Contained takes them. */
  binds?: Record<string, string>;
}

export class Postfix {
  private readonly contained: Contained;

  constructor(readonly options: PostfixOptions) {
    const { directory, hostname, main, master, binds = {} } = options;
    for (const folder of ['etc', 'spool', 'data', 'mail']) mkdirSync(join(directory, folder), { recursive: true });
    chmodSync(directory, 0o755);
    const postfixUser = Number(execFileSync('id', ['-u', 'postfix'], { encoding: 'utf8' }));
    chownSync(join(directory, 'data'), postfixUser, 0);
    chownSync(join(directory, 'mail'), MAIL_USER, MAIL_USER);
    writeFileSync(
      join(directory, 'etc/main.cf'),
      `compatibility_level = 3.6
queue_directory = ${directory}/spool
data_directory = ${directory}/data
maillog_file = ${directory}/mail.log
maillog_file_prefixes = /
myhostname = ${hostname}
alias_maps =
${main}`,
    );
    writeFileSync(join(directory, 'etc/master.cf'), `${master}${MASTER}`);
    const command = ['postfix', '-c', join(directory, 'etc'), 'start-fg'];
    this.contained = new Contained({ command, logFile: join(directory, 'printed.log'), binds });
  }

  /** Resolves once it greets; also after a kill(), whose locks it takes away. */
  async start(): Promise<void> {
    const { directory, address, port } = this.options;
    for (const left of ['spool/pid/master.pid', 'data/master.lock']) rmSync(join(directory, left), { force: true });
    const before = this.log().length;
    this.contained.start();
    await waitFor(`postfix at ${address}:${port}`, () => this.log().slice(before).includes('daemon started')).catch(
      (error: Error) => {
        throw new Error(`${error.message}\n${this.log()}\n${readIf(join(directory, 'printed.log'))}`);
      },
    );
  }

  /** All of its processes at once, as power loss would. */
  kill(): Promise<void> {
    return this.contained.kill();
  }

  log(): string {
    return readIf(join(this.options.directory, 'mail.log'));
  }

  /** Where delivered mail lies, one file a message. */
  get mailDirectory(): string {
    return join(this.options.directory, 'mail/all/new');
  }

  /** Messages that it took and has neither delivered nor sent yet. */
  queuedCount(): number {
    const queues = ['maildrop', 'incoming', 'active', 'deferred'];
    return queues.reduce((sum, queue) => sum + countComplete(join(this.options.directory, 'spool', queue)), 0);
  }
}

export interface ReceivingOptions {
  directory: string;
  hostname: string;
  address: string;
  port: number;
  /** How it learns the client's address; `none` believes the connection. */
  proxyProtocol: 'v2' | 'none';
  /** Who may relay to anywhere. Empty unless a test wants to show what comes of it. */
  mynetworks?: string;
}

/**
 * Keeps every mail for example.test. `inet_interfaces` names an address that an interface really has, which of 127/8 only
 * 127.0.0.1 is; where it listens stands in master.cf. Mail for elsewhere, if it may be relayed at all, is thrown away, never
 * sent.
 */
export function receivingPostfix({ proxyProtocol, mynetworks = '', ...where }: ReceivingOptions): Postfix {
  const header =
    proxyProtocol === 'none' ? '' : ' -o smtpd_upstream_proxy_protocol=haproxy\n -o smtpd_upstream_proxy_timeout=5s\n';
  return new Postfix({
    ...where,
    master: `${where.address}:${where.port} inet n - n - - smtpd\n${header}`,
    main: `inet_interfaces = 127.0.0.1
inet_protocols = all
mynetworks = ${mynetworks}
mydestination =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_peername_lookup = no
default_transport = discard:
virtual_mailbox_domains = example.test
virtual_mailbox_base = ${where.directory}/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:${MAIL_USER}
virtual_gid_maps = static:${MAIL_USER}
`,
  });
}

/** Postfix marks a message that it has whole with the execute bit; one cut off while it came in stays unmarked. */
function countComplete(directory: string): number {
  if (!existsSync(directory)) return 0;
  let count = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) count += countComplete(path);
    else if (((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o100) !== 0) count += 1;
  }
  return count;
}

function readIf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
