/**
 * Settings of the kernel that mode arp needs on its interface, and what they were before, so that they can be set back: by the
 * sidecar, or by `nlb cleanup` long after it died. What was before is on disk before it is changed.
 *
 *     arp_ignore 1      an address of loopback is not answered for on the link
 *     arp_announce 2    what this host asks on the link it asks with its own address, never with a virtual IP
 *     ndisc_notify 1    an IPv6 address that is taken is announced
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/proc/sys/net';
/** In the state directory. */
export const SETTINGS_FILE = 'kernel.json';

interface Setting {
  /** Below /proc/sys/net, with the device in it. */
  path: string;
  wanted: number;
  /** The value of `all` counts as well where it is higher. */
  all: string | null;
}

type Before = Record<string, string>;

function settingsFor(device: string, hasV4: boolean, hasV6: boolean): Setting[] {
  const v4 = (name: string, wanted: number) => ({
    path: `ipv4/conf/${device}/${name}`,
    wanted,
    all: `ipv4/conf/all/${name}`,
  });
  const notify = {
    path: `ipv6/conf/${device}/ndisc_notify`,
    wanted: 1,
    all: 'ipv6/conf/all/ndisc_notify',
  };
  return [...(hasV4 ? [v4('arp_ignore', 1), v4('arp_announce', 2)] : []), ...(hasV6 ? [notify] : [])];
}

export class Sysctls {
  private before: Before;

  constructor(
    private readonly stateDirectory: string,
    private readonly root = ROOT,
  ) {
    this.before = readBefore(stateDirectory);
  }

  /** @returns a sentence for each that is not as it must be and cannot be set */
  set(device: string, virtualIps: readonly string[]): string[] {
    const hasV6 = virtualIps.some((address) => address.includes(':'));
    const hasV4 = virtualIps.some((address) => !address.includes(':'));
    return settingsFor(device, hasV4, hasV6).flatMap(({ path, wanted, all }) => {
      const now = this.read(path);
      if (Math.max(Number(now), all === null ? 0 : Number(this.read(all))) >= wanted) return [];
      if (this.before[path] === undefined && now !== null) {
        this.before[path] = now;
        writeFileSync(join(this.stateDirectory, SETTINGS_FILE), `${JSON.stringify(this.before)}\n`, { mode: 0o600 });
      }
      const failure = this.write(path, String(wanted));
      if (failure === null) return [];
      const name = `net.${path.replaceAll('/', '.')}`;
      return [
        `${name} is ${now ?? 'not there'}, expected ${wanted}, and cannot be set here (${failure}): sysctl ${name}=${wanted}`,
      ];
    });
  }

  /** Runs something while no other IPv6 address of a device would be waited for by duplicate address detection. */
  async withoutDad(device: string, run: () => Promise<void>): Promise<void> {
    const path = `ipv6/conf/${device}/accept_dad`;
    const now = this.read(path);
    if (now !== null && now !== '0') this.write(path, '0');
    try {
      await run();
    } finally {
      if (now !== null && now !== '0') this.write(path, now);
    }
  }

  /** Sets everything back. An interface that is gone took its settings with it. */
  restore(): void {
    for (const [path, value] of Object.entries(this.before)) this.write(path, value);
    this.before = {};
    rmSync(join(this.stateDirectory, SETTINGS_FILE), { force: true });
  }

  private read(path: string): string | null {
    try {
      return readFileSync(join(this.root, path), 'utf8').trim();
    } catch {
      return null;
    }
  }

  private write(path: string, value: string): string | null {
    try {
      writeFileSync(join(this.root, path), value);
      return null;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    }
  }
}

function readBefore(stateDirectory: string): Before {
  try {
    return JSON.parse(readFileSync(join(stateDirectory, SETTINGS_FILE), 'utf8')) as Before;
  } catch {
    return {};
  }
}
