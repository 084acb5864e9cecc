// Builds what changed: the two wasm modules (assembly/ -> build/wasm) and the sidecar with its tests (-> build/).
// A target is skipped when its sources are the ones it was last built from (build/.stamps).
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const SCHEMAS = 'build/host/admin/schemas.json';
const PACKAGES = 'build/node_modules';

function filesUnder(path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  return readdirSync(full, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

function digest(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(path).update(readFileSync(path));
  return hash.digest('hex');
}

/** Runs `build` unless `outputs` are there and `sources` are the ones they were made from. */
export function whenChanged(name, sources, outputs, build) {
  const stamp = join(root, 'build/.stamps', name);
  const now = digest(sources);
  const fresh =
    existsSync(stamp) && readFileSync(stamp, 'utf8') === now && outputs.every((o) => existsSync(join(root, o)));
  if (fresh) return false;
  build();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, now);
  return true;
}

function run(tool, args) {
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules', tool), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) {
    console.error(`build: ${tool} ${args.join(' ')} failed with exit code ${status}`);
    process.exit(1);
  }
}

function asc(entry, target) {
  mkdirSync(join(root, 'build/wasm'), { recursive: true });
  run('assemblyscript/bin/asc.js', [entry, '--config', 'asconfig.json', '--target', target]);
}

export function build() {
  const lock = join(root, 'package-lock.json');
  const assembly = [...filesUnder('assembly'), join(root, 'asconfig.json'), lock];
  whenChanged('filter', assembly, ['build/wasm/filter.wasm'], () => asc('assembly/index.ts', 'filter'));
  whenChanged('decision', assembly, ['build/wasm/decision.wasm'], () => asc('assembly/library.ts', 'decision'));
  const typescript = [
    ...filesUnder('host'),
    ...filesUnder('test').filter((f) => f.endsWith('.ts')),
    join(root, 'tsconfig.json'),
    join(root, 'scripts/bundle.mjs'),
    lock,
  ];
  const types = [...filesUnder('host').filter((f) => f.endsWith('.ts')), join(root, 'scripts/schemas.mjs'), lock];
  whenChanged('schemas', types, [SCHEMAS], () => run('../scripts/schemas.mjs', ['host/admin/schemas.ts', SCHEMAS]));
  const bundled = [join(root, 'scripts/bundle.mjs'), lock];
  const outputs = ['yaml/index.js', 'ajv/dist/2020.js'].map((file) => `${PACKAGES}/${file}`);
  whenChanged('packages', bundled, outputs, () => run('../scripts/bundle.mjs', ['packages', PACKAGES]));
  whenChanged('typescript', typescript, ['build/host/main.js'], () => {
    run('typescript/bin/tsc', ['-p', '.']);
    run('../scripts/bundle.mjs', ['check', 'build/host/protocol/config']);
    cpSync(join(root, 'host/admin/ui'), join(root, 'build/host/admin/ui'), { recursive: true });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build();
