// test/vectors/decision.json as build/assembly-vectors/vectors.ts: one StaticArray a field, because AssemblyScript has
// neither JSON nor structures in static memory. Made anew at each run of as-pect, so it is never stale.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const out = join(root, 'build/assembly-vectors');

/** One of our own modules as JavaScript, and those that it imports: as-pect runs before anything is built. */
function transpile(path) {
  const options = { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(readFileSync(join(root, path), 'utf8'), { compilerOptions: options });
  const file = join(out, path.replace(/\.ts$/, '.js'));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, outputText);
  for (const [, imported] of outputText.matchAll(/ from '(\.[^']*)\.js'/g)) transpile(`${join(dirname(path), imported)}.ts`);
  return file;
}

const importTypeScript = (path) => import(pathToFileURL(transpile(path)).href);

const hex = (bytes) => Buffer.from(bytes).toString('hex');
/** What stands for "refused" or "nobody" where a text is expected: no vector has an empty one. */
const orEmpty = (text) => text ?? '';

function staticArray(name, type, values) {
  const items = type === 'string' ? values.map((value) => JSON.stringify(value)) : values.map(String);
  return `export const ${name}: StaticArray<${type}> = [\n${items.map((item) => `  ${item},\n`).join('')}];\n`;
}

/** One array for each field: `columns` maps its name to type and getter. */
function table(prefix, rows, columns) {
  const arrays = Object.entries(columns).map(([name, [type, get]]) => staticArray(`${prefix}_${name}`, type, rows.map(get)));
  return `${arrays.join('')}export const ${prefix}_COUNT: i32 = ${rows.length};\n`;
}

/** Names in the order in which they are scored. */
const sorted = (names) => [...names].sort((a, b) => (a < b ? -1 : 1));

function ownerTables({ owners: sets }) {
  const hosts = sets.flatMap(({ weights }) => sorted(Object.keys(weights)).map((name) => [name, weights[name]]));
  const questions = sets.flatMap(({ weights, owners }, set) => {
    const index = (name) => (name === null ? -1 : sorted(Object.keys(weights)).indexOf(name));
    return owners.map(([bucket, owner, next]) => ({ set, bucket, owner: index(owner), next: index(next) }));
  });
  return [
    table('SET', sets, {
      HASH_SEED: ['u32', (set) => set.hashSeed],
      HOSTS: ['u32', (set) => Object.keys(set.weights).length],
    }),
    table('SET_HOST', hosts, { NAME: ['string', (host) => host[0]], WEIGHT: ['u32', (host) => host[1]] }),
    table('OWNER', questions, {
      SET: ['u32', (question) => question.set],
      BUCKET: ['u32', (question) => question.bucket],
      INDEX: ['i32', (question) => question.owner],
      NEXT: ['i32', (question) => question.next],
    }),
  ];
}

async function decisionTables({ decisions }) {
  const { encodeView } = await importTypeScript('host/protocol/view-bytes.ts');
  const { inForceOf } = await importTypeScript('test/vectors/load.ts');
  const index = (cluster, name) => sorted(cluster.hosts.map((host) => host.name)).indexOf(name);
  const REFUSED = { disabled: -1, nobody: -2 };
  const connections = decisions.flatMap(({ cluster, connections: list }, view) =>
    list.map((connection) => ({
      ...connection,
      view,
      self: index(cluster, connection.self),
      rule: cluster.rules.findIndex((rule) => rule.name === connection.rule),
      outcome: connection.refused ? REFUSED[connection.refused] : index(cluster, connection.owner),
    })),
  );
  return [
    table('VIEW', decisions, {
      BYTES: ['string', ({ cluster }) => hex(encodeView(inForceOf(cluster), cluster.hosts[0].name))],
    }),
    table('CONNECTION', connections, {
      VIEW: ['u32', (connection) => connection.view],
      PROTOCOL: ['u8', (connection) => (connection.protocol === 'tcp' ? 1 : 2)],
      CLIENT: ['string', (connection) => connection.client],
      DESTINATION: ['string', (connection) => connection.destination],
      SELF: ['i32', (connection) => connection.self],
      RULE: ['i32', (connection) => connection.rule],
      OUTCOME: ['i32', (connection) => connection.outcome],
      MAY_FALL_BACK: ['u8', (connection) => Number(connection.action === 'handoffOrFallback')],
    }),
  ];
}

export async function makeVectorsModule() {
  mkdirSync(out, { recursive: true });
  const vectors = JSON.parse(readFileSync(join(root, 'test/vectors/decision.json'), 'utf8'));
  const AFFINITIES = ['none', 'single', 'classC'];
  const seed = ['u32', (vector) => vector.hashSeed];
  const parts = [
    '// Made by test/assembly/make-vectors.mjs from test/vectors/decision.json.\n',
    `export const DECISION_VERSION_EXPECTED: u32 = ${vectors.decisionVersion};\n`,
    table('ADDRESS', vectors.addresses, {
      TEXT: ['string', (vector) => vector.text],
      BYTES: ['string', (vector) => orEmpty(vector.bytes)],
    }),
    table('ENDPOINT', vectors.endpoints, {
      TEXT: ['string', (vector) => vector.text],
      BYTES: ['string', (vector) => orEmpty(vector.bytes)],
      PORT: ['i32', (vector) => vector.port ?? -1],
    }),
    table('HASH', vectors.hashes, {
      BYTES: ['string', (vector) => vector.bytes],
      SEED: ['u32', (vector) => vector.seed],
      VALUE: ['u32', (vector) => vector.hash],
    }),
    table('KEY', vectors.keys, {
      AFFINITY: ['u8', (vector) => AFFINITIES.indexOf(vector.affinity)],
      CLIENT: ['string', (vector) => vector.client],
      PREFIX_LENGTH: ['u32', (vector) => vector.ipv6PrefixLength],
      HASH_SEED: seed,
      BYTES: ['string', (vector) => vector.key],
      BUCKET: ['u32', (vector) => vector.bucket],
    }),
    table('DRAW', vectors.draws, {
      BUCKET: ['u32', (vector) => vector.bucket],
      NAME: ['string', (vector) => vector.name],
      HASH_SEED: seed,
      VALUE: ['u32', (vector) => vector.draw],
    }),
    staticArray('TABLE_HASHES', 'u32', vectors.logarithmTableHashes),
    table('LOGARITHM', vectors.logarithms, {
      DRAW: ['u32', (vector) => vector.draw],
      VALUE: ['u64', (vector) => vector.value],
    }),
    ...ownerTables(vectors),
    ...(await decisionTables(vectors)),
  ];
  writeFileSync(join(out, 'vectors.ts'), parts.join('\n'));
}
