// What a start of `nlb` waits for, made before. node bundle.mjs packages OUTPUT | check DIRECTORY
//   packages  what nearly every verb loads, each in one file instead of some 70: Node.js finds build/node_modules before
//             node_modules for whatever lies in build/
//   check     the check of the cluster file as code, in the place of schema-check.js, which makes it at each start
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** As `host/` imports them, and the file that Node.js looks for then. */
const BUNDLED = { yaml: 'yaml/index.js', 'ajv/dist/2020.js': 'ajv/dist/2020.js' };

/** `node_modules/fast-uri/index.js` -> `fast-uri` */
const packageOf = (input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];

/** Whose work is in it, and under which licence. */
function licencesOf(names) {
  return names.map((name) => {
    const directory = join(root, 'node_modules', name);
    const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    const file = readdirSync(directory).find((each) => /^licen[cs]e/i.test(each));
    if (file === undefined)
      throw new Error(`Cannot bundle ${name} ${version}: it comes without the text of its licence`);
    return `${name} ${version}\n\n${readFileSync(join(directory, file), 'utf8').trim()}\n`;
  });
}

async function bundle(specifier, file, output) {
  // By name, so that an import of what is not there is an error at once, as it is without the bundle.
  const names = Object.keys(await import(specifier)).filter((name) => name !== 'default' && /^\w+$/.test(name));
  const { metafile } = buildSync({
    stdin: { contents: `export { ${names.join(', ')} } from '${specifier}';`, resolveDir: root },
    absWorkingDir: root,
    outfile: join(output, file),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    minifyWhitespace: true,
    // What is CommonJS in it asks for Node.js' own modules with require().
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    metafile: true,
    logLevel: 'warning',
  });
  const packages = [...new Set(Object.keys(metafile.inputs).map(packageOf))]
    .filter((name) => name !== undefined)
    .sort();
  const directory = join(output, packageOf(`node_modules/${file}`));
  const manifest = { name: `${packages.join('-and-')}-bundled`, private: true, type: 'module', main: 'index.js' };
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest)}\n`);
  writeFileSync(join(directory, 'LICENSE'), licencesOf(packages).join(`\n${'-'.repeat(72)}\n\n`));
}

async function bundlePackages(output) {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  for (const [specifier, file] of Object.entries(BUNDLED)) await bundle(specifier, file, output);
}

/** Errors are the same ones, to the letter: test/host/schema-check.test.ts. */
async function compileCheck(directory) {
  const { Ajv2020 } = await import('ajv/dist/2020.js');
  const { _ } = await import('ajv');
  const { default: standalone } = await import('ajv/dist/standalone/index.js');
  const load = (name) => import(pathToFileURL(join(directory, name)).href);
  const { AJV_OPTIONS, teach } = await load('schema-formats.js');
  const { CLUSTER_FILE_SCHEMA } = await load('schema.js');
  const code = { ...AJV_OPTIONS.code, source: true, esm: true, formats: _`FORMATS` };
  const ajv = new Ajv2020({ ...AJV_OPTIONS, code });
  teach(ajv);
  const contents = `import { FORMATS } from './schema-formats.js';
${standalone.default(ajv, ajv.compile(CLUSTER_FILE_SCHEMA))}
export const schemaErrors = (value) => (validate(value) ? [] : (validate.errors ?? []));`;
  const outfile = join(directory, 'schema-check.js');
  rmSync(`${outfile}.map`, { force: true });
  buildSync({
    stdin: { contents, resolveDir: root },
    outfile,
    bundle: true,
    external: ['./schema-formats.js'],
    banner: {
      js: '// Made by scripts/bundle.mjs; what is of ajv and fast-deep-equal in it: build/node_modules/ajv/LICENSE',
    },
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
  });
}

const [what, path] = process.argv.slice(2);
const work = { packages: bundlePackages, check: compileCheck }[what];
await work(resolve(path));
