/**
 * An `nft` for sidecars as on a kernel without nft_hash: what asks for `jhash` is refused, in the words of the real one, and all else
 * is done.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Shim, shimOf } from './shim.js';

export interface UnhashedNft extends Pick<Shim, 'prefix' | 'remove'> {
  /** From the next change of a kernel on. */
  becomeWhole(): void;
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
  const { directory, prefix, remove } = shimOf('nft', script);
  return { prefix, remove, becomeWhole: () => writeFileSync(join(directory, 'whole'), '') };
}
