/**
 * A terminal server: xrdp and its session manager in a pid and mount namespace, with sessions that are a virtual screen and a
 * script which writes a line down. Whoever logs in is root, with whatever password.
 */
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificatePem } from '../../../host/edge/x509.js';
import { Contained } from '../mail/contained.js';
import { xrdpRoot } from './needs.js';

/** `$1` is where it writes to. /tmp and /run are its own, with the locks of its screens and its sockets. */
const SCRIPT = `mount --bind "$1" /mnt || exit 71
for place in /run /tmp /root; do mount -t tmpfs tmpfs $place || exit 71; done
mkdir -p /run/xrdp; chmod 1777 /tmp
# Its package makes it when it is installed; here it is unpacked alone, and /etc can be read only.
xrdp-keygen xrdp /tmp/rsakeys.ini && mount --bind /tmp/rsakeys.ini /etc/xrdp/rsakeys.ini || exit 72
xrdp-sesman --nodaemon & exec xrdp --nodaemon`;

const SESSION = `#!/bin/sh
echo "session on $DISPLAY" >> /mnt/sessions
exec sleep 3600
`;

/** The session manager is bound to loopback, whichever the host; so are the screens. */
const sesmanIni = (index: number): string => `[Globals]
ListenAddress=127.0.0.1
ListenPort=${3350 + index}
EnableUserWindowManager=false
DefaultWindowManager=startwm.sh
[Security]
AllowRootLogin=true
MaxLoginRetry=4
[Sessions]
X11DisplayOffset=${20 + 20 * index}
MaxSessions=10
KillDisconnected=false
Policy=Default
[Logging]
LogFile=/mnt/sesman.log
LogLevel=INFO
EnableSyslog=false
[Xvnc]
param=Xtigervnc
param=-bs
param=-nolisten
param=tcp
param=-localhost
[Chansrv]
EnableFuseMount=false
`;

const xrdpIni = (address: string, port: number): string => `[Globals]
ini_version=1
fork=true
port=tcp://${address}:${port}
security_layer=tls
certificate=/etc/xrdp/test-cert.pem
key_file=/etc/xrdp/test-key.pem
ssl_protocols=TLSv1.2, TLSv1.3
autorun=Xvnc
max_bpp=16
allow_channels=true
bitmap_cache=true
bitmap_compression=true
use_fastpath=both
[Logging]
LogFile=/mnt/xrdp.log
LogLevel=INFO
EnableSyslog=false
[Channels]
rdpdr=true
rdpsnd=true
drdynvc=true
cliprdr=true
[Xvnc]
name=Xvnc
lib=libvnc.so
username=ask
password=ask
ip=127.0.0.1
port=-1
`;

const PAM = ['auth', 'account', 'session', 'password'].map((kind) => `${kind} required pam_permit.so\n`).join('');

export class Xrdp {
  private readonly contained: Contained;

  constructor(
    private readonly directory: string,
    address: string,
    port: number,
    index: number,
  ) {
    const etc = join(directory, 'etc');
    mkdirSync(join(directory, 'out'), { recursive: true });
    cpSync(join(xrdpRoot(), 'etc/xrdp'), join(etc, 'xrdp'), { recursive: true });
    mkdirSync(join(etc, 'pam.d'));
    writeFileSync(join(etc, 'pam.d/xrdp-sesman'), PAM);
    writeFileSync(join(etc, 'xrdp/sesman.ini'), sesmanIni(index));
    writeFileSync(join(etc, 'xrdp/xrdp.ini'), xrdpIni(address, port));
    const keyPath = join(etc, 'xrdp/rsakeys.ini');
    rmSync(keyPath, { force: true });
    writeFileSync(keyPath, '');
    writeFileSync(join(etc, 'xrdp/startwm.sh'), SESSION, { mode: 0o755 });
    const { publicKey, privateKey: signer } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const publicKeyInfo = publicKey.export({ format: 'der', type: 'spki' });
    writeFileSync(join(etc, 'xrdp/test-cert.pem'), certificatePem({ commonName: 'rdp', publicKeyInfo, signer }));
    writeFileSync(join(etc, 'xrdp/test-key.pem'), signer.export({ format: 'pem', type: 'pkcs8' }));
    this.contained = new Contained({
      command: ['sh', '-c', SCRIPT, 'sh', join(directory, 'out')],
      logFile: join(directory, 'printed.log'),
      binds: { '/usr': join(xrdpRoot(), 'usr'), '/etc': etc },
    });
  }

  start(): void {
    this.contained.start();
  }

  /** Begun, not those that somebody came back to. */
  sessionCount(): number {
    return this.read('sessions').split('\n').filter(Boolean).length;
  }

  /** Logins that found the session of before. */
  reconnectedCount(): number {
    return this.read('sesman.log').split('reconnected session').length - 1;
  }

  logs(): string {
    const texts = ['xrdp.log', 'sesman.log'].map((name) => this.read(name).split('\n').slice(-30).join('\n'));
    return [readFileSync(join(this.directory, 'printed.log'), 'utf8'), ...texts].join('\n');
  }

  async kill(): Promise<void> {
    await this.contained.kill();
  }

  private read(name: string): string {
    const path = join(this.directory, 'out', name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }
}
