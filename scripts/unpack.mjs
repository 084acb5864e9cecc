// Debian packages that a test runs but that cannot be installed: Debian's mail servers exclude each other. They are unpacked
// beside, with the libraries that the machine lacks; nothing of theirs is configured, started or registered.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

function lines(command, args, cwd = '/') {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr?.trim()}`);
  return stdout.split('\n').filter(Boolean);
}

function isInstalled(name) {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], { encoding: 'utf8' });
  return stdout === 'installed';
}

/** The package and every library below it that is not installed. BOUNDED by what Debian's package depends on: some ten. */
function withLibraries(name) {
  const wanted = [name];
  for (const each of wanted) {
    const needs = lines('apt-cache', ['depends', '--important', each])
      .map((line) => /^\s+(?:Pre)?Depends: (lib[^<\s]+)/.exec(line)?.[1])
      .filter((need) => need && !wanted.includes(need) && !isInstalled(need));
    wanted.push(...needs);
  }
  return wanted;
}

/** Unpacks `name` into `target`, whole or not at all. Throws an Error with apt's words where a package is not to be had. */
export function unpack(name, target) {
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  const work = mkdtempSync(join(dirname(target), '.unpack-'));
  try {
    lines('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', ...withLibraries(name)], work);
    for (const file of readdirSync(work).filter((entry) => entry.endsWith('.deb'))) {
      lines('dpkg', ['-x', file, 'root'], work);
    }
    renameSync(join(work, 'root'), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
