/** What this test needs of the machine. Null, or one sentence of what is missing: the reason it is skipped with. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where set-up unpacks xrdp, which is never installed: it would serve this machine's desktop. As in scripts/setup.mjs. */
export function xrdpRoot(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(process.env.ENVOY_NLB_CACHE ?? join(cache, 'envoy-nlb'), 'xrdp');
}

export function whyNoRdp(): string | null {
  if (process.getuid?.() !== 0) return 'xrdp needs root';
  if (!existsSync(xrdpRoot())) return `xrdp is not unpacked at ${xrdpRoot()}; npm test does so as root on Debian`;
  for (const [tool, debianPackage] of [
    ['xfreerdp', 'freerdp2-x11'],
    ['Xvfb', 'xvfb'],
    ['Xtigervnc', 'tigervnc-standalone-server'],
    ['xauth', 'xauth'],
  ] as const) {
    const isThere = process.env.PATH!.split(':').some((directory) => existsSync(join(directory, tool)));
    if (!isThere) return `${tool} is not installed (apt-get install ${debianPackage})`;
  }
  return null;
}
