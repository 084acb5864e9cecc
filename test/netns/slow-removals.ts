/**
 * An `ip` for sidecars that takes its time on one host: there it removes addresses from loopback three seconds later than it is told.
 * So a moment between two programs of a sidecar becomes long enough for packets to fall into it.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NetworkHost } from './network.js';

export interface SlowRemovals {
  /** Put before the sidecar's command: it finds this `ip` first. */
  prefix: string[];
  /** From now on on that host. */
  begin(host: NetworkHost): void;
  end(): void;
  remove(): void;
}

/** The namespace it runs in is the one that was named: both have one inode. */
const script = (ip: string, directory: string): string => `#!/bin/sh
case "$*" in *-batch*) ;; *) exec ${ip} "$@" ;; esac
lines=$(cat)
slow=$(cat ${directory}/slow 2>/dev/null)
if [ -n "$slow" ] && [ "$slow" = "$(stat -Lc %i /proc/self/ns/net)" ]; then
  case "$lines" in *'addr del'*'dev lo'*) sleep 3 ;; esac
fi
printf '%s\\n' "$lines" | ${ip} "$@"
`;

export function slowRemovals(): SlowRemovals {
  const directory = mkdtempSync(join(tmpdir(), 'nlb-slow-'));
  const ip = execFileSync('sh', ['-c', 'command -v ip'], { encoding: 'utf8' }).trim();
  writeFileSync(join(directory, 'ip'), script(ip, directory));
  chmodSync(join(directory, 'ip'), 0o755);
  return {
    prefix: ['env', `PATH=${directory}:${process.env.PATH}`],
    begin: ({ namespace }) => {
      const inode = execFileSync('stat', ['-Lc', '%i', `/run/netns/${namespace}`], { encoding: 'utf8' });
      writeFileSync(join(directory, 'slow'), inode.trim());
    },
    end: () => rmSync(join(directory, 'slow'), { force: true }),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
