// Runs the laboratory that the compose cluster is tried in: an engine, base images, and the images of envoy/compose, built.
//   node scripts/lab/main.mjs            until standard input ends, or Ctrl-C
// It prints one line `{"environment": {...}}` when all is there: what docker and docker-compose need to reach it.
// Exit code 3: this machine cannot run it, the reason is on standard error. All it keeps is under ENVOY_NLB_LAB (default
// /var/tmp/envoy-nlb-lab), so that the second time is quick; remove it at will while nothing runs.
import { spawnSync } from 'node:child_process';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { provideBaseImages, run } from './base-images.mjs';
import { CannotRunHere, Engine } from './engine.mjs';

const directory = process.env.ENVOY_NLB_LAB ?? '/var/tmp/envoy-nlb-lab';
const compose = join(dirname(fileURLToPath(import.meta.url)), '../../envoy/compose');
/** One service for each image. */
const BUILT = ['key', 'postfix1', 'client'];
/** As long as another run may take. */
const LOCK_MAX_S = 600;

function say(text) {
  process.stderr.write(`lab: ${text}\n`);
}

/** One run at a time: the networks' addresses and the images are the same for all. Held until this process ends. */
function lock() {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const descriptor = openSync(join(directory, 'lock'), 'a', 0o600);
  const stdio = ['ignore', 'ignore', 'ignore', descriptor];
  if (spawnSync('flock', ['--nonblock', '3'], { stdio }).status === 0) return;
  say(`${directory} is in use by another run, waiting for its end`);
  if (spawnSync('flock', ['--timeout', String(LOCK_MAX_S), '3'], { stdio }).status !== 0)
    throw new Error(`${directory} is still in use after ${LOCK_MAX_S} s`);
}

/** Builds what the compose file says. There is no way out of the engine's bridges, so builds use this machine's network. */
function buildImages(engine) {
  const override = join(directory, 'build.json');
  const services = Object.fromEntries(BUILT.map((name) => [name, { build: { network: 'host' } }]));
  writeFileSync(override, JSON.stringify({ services }));
  run(engine, 'docker-compose', ['-f', 'docker-compose.yml', '-f', override, 'build', ...BUILT], { cwd: compose });
  // Every change of the sources leaves a gigabyte behind; what is younger is the cache that makes the next build quick.
  run(engine, 'docker', ['image', 'prune', '-f', '--filter', 'until=72h']);
}

/** Resolves when whoever started this has closed standard input or has gone. */
function asked() {
  return new Promise((resolve) => {
    process.stdin.on('end', resolve).on('error', resolve).resume();
    process.on('SIGINT', resolve).on('SIGTERM', resolve);
  });
}

const engine = new Engine(directory);
const end = asked();
let code = 0;
try {
  lock();
  await engine.start();
  provideBaseImages(engine, say);
  say('building the images of envoy/compose (a few minutes the first time)');
  buildImages(engine);
  const { DOCKER_HOST, DOCKER_BUILDKIT, COMPOSE_DOCKER_CLI_BUILD, DOCKER_CONFIG } = engine.environment;
  const environment = { DOCKER_HOST, DOCKER_BUILDKIT, COMPOSE_DOCKER_CLI_BUILD, DOCKER_CONFIG };
  process.stdout.write(`${JSON.stringify({ environment })}\n`);
  await end;
} catch (error) {
  say(error.message);
  code = error instanceof CannotRunHere ? 3 : 1;
} finally {
  await engine.stop();
}
process.exit(code);
