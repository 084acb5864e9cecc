// The public base images that our Dockerfiles name. Where they cannot be pulled, images of the same names are made here: Debian
// by mmdebstrap, Node.js from the one that runs this. They also carry this machine's CA certificates, so that npm and pip
// work in a build wherever they work outside.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

export const DEBIAN = 'debian:bookworm-slim';
export const NODE = 'node:20-bookworm-slim';

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
/** A registry that cannot be reached may also be silent. */
const PULL_MAX_MS = 300_000;

/** @param say  called with a line before each step that takes time */
export function provideBaseImages(engine, say) {
  provide(engine, DEBIAN, say, debian);
  provide(engine, NODE, say, node);
}

function provide(engine, name, say, make) {
  const options = { env: engine.environment, stdio: 'ignore' };
  if (spawnSync('docker', ['image', 'inspect', name], options).status === 0) return;
  if (spawnSync('docker', ['pull', '-q', name], { ...options, timeout: PULL_MAX_MS }).status === 0) return;
  say(`${name} cannot be pulled, making an image of that name`);
  const work = join(engine.directory, 'work');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  make(work, engine);
  rmSync(work, { recursive: true, force: true });
}

function debian(work, engine) {
  const tar = join(work, 'debian.tar');
  run(engine, 'mmdebstrap', ['--variant=minbase', '--include=ca-certificates', 'bookworm', tar, ...mirror()]);
  run(engine, 'docker', ['import', '--change', 'CMD ["bash"]', tar, DEBIAN]);
}

/** Where this machine has its own Debian packages from; nothing leaves it to mmdebstrap. */
function mirror() {
  const sources = '/etc/apt/sources.list.d/debian.sources';
  if (!existsSync(sources)) return [];
  const uri = /^URIs: *(\S+)/m.exec(readFileSync(sources, 'utf8'))?.[1];
  return uri === undefined ? [] : [uri];
}

function node(work, engine) {
  const npm = npmDirectory();
  copyFileSync(process.execPath, join(work, 'node'));
  cpSync(npm, join(work, 'npm'), { recursive: true });
  copyFileSync(CERTIFICATES, join(work, 'ca-certificates.crt'));
  writeFileSync(
    join(work, 'Dockerfile'),
    `FROM ${DEBIAN}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY ca-certificates.crt ${CERTIFICATES}
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES} PIP_CERT=${CERTIFICATES}
CMD ["node"]
`,
  );
  run(engine, 'docker', ['build', '--network', 'host', '-t', NODE, work]);
}

function npmDirectory() {
  const beside = dirname(realpathSync(process.execPath));
  const places = ['../lib/node_modules/npm', '../share/nodejs/npm'].map((place) => join(beside, place));
  const found = places.find((place) => existsSync(join(place, 'bin/npm-cli.js')));
  if (found === undefined)
    throw new Error(`cannot find npm beside ${process.execPath}, looked in ${places.join(', ')}`);
  return found;
}

/** Quiet; what it printed is shown only where it fails. */
export function run(engine, command, args, options = {}) {
  const done = spawnSync(command, args, { env: engine.environment, encoding: 'utf8', maxBuffer: 64 << 20, ...options });
  if (done.status === 0) return done.stdout;
  const output = `${done.stdout ?? ''}${done.stderr ?? ''}${done.error ?? ''}`
    .trimEnd()
    .split('\n')
    .slice(-30)
    .join('\n');
  throw new Error(`${command} ${args.join(' ')} failed:\n${output}`);
}
