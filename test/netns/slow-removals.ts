/**
 * An `ip` for sidecars that takes its time on one host: there it removes addresses from loopback three seconds later than it is told.
 * So a moment between two programs of a sidecar becomes long enough for packets to fall into it.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkHost } from './network.js';
import { type Shim, shimOf } from './shim.js';

export interface SlowRemovals extends Pick<Shim, 'prefix' | 'remove'> {
  /** From now on on that host. */
  begin(host: NetworkHost): void;
  end(): void;
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
  const { directory, prefix, remove } = shimOf('ip', script);
  return {
    prefix,
    remove,
    begin: ({ namespace }) => {
      const inode = execFileSync('stat', ['-Lc', '%i', `/run/netns/${namespace}`], { encoding: 'utf8' });
      writeFileSync(join(directory, 'slow'), inode.trim());
    },
    end: () => rmSync(join(directory, 'slow'), { force: true }),
  };
}
