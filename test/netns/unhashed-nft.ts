/**
 * An `nft` for sidecars as on a kernel without nft_hash: what asks for `jhash` is refused, in the words of the real one, and all else
 * is done.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface UnhashedNft {
  /** Put before the sidecar's command: it finds this `nft` first. */
  prefix: string[];
  /** From the next change of a kernel on. */
  becomeWhole(): void;
  remove(): void;
}

const script = (nft: string, directory: string): string => `#!/bin/sh
[ "$1 $2" = '-f -' ] && [ ! -e ${directory}/whole ] || exec ${nft} "$@"
text=$(cat)
case "$text" in
  *jhash*) echo 'Error: Could not process rule: No such file or directory' >&2; exit 1 ;;
esac
printf '%s\\n' "$text" | ${nft} "$@"
`;

export function unhashedNft(): UnhashedNft {
  const directory = mkdtempSync(join(tmpdir(), 'nlb-nft-'));
  const nft = execFileSync('sh', ['-c', 'command -v nft'], { encoding: 'utf8' }).trim();
  writeFileSync(join(directory, 'nft'), script(nft, directory));
  chmodSync(join(directory, 'nft'), 0o755);
  return {
    prefix: ['env', `PATH=${directory}:${process.env.PATH}`],
    becomeWhole: () => writeFileSync(join(directory, 'whole'), ''),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
