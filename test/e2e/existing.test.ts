import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { findEnvoy } from '../../host/edge/envoy-binary.js';
import { handoffIdentity } from '../../host/edge/cluster-identity.js';
import {
  discoveryResponse,
  envoyClusters,
  type EnvoyJson,
  envoyPaths,
  listeners,
  secretsOf,
} from '../../host/protocol/xds/index.js';
import { greeting, openClient } from './harness/client.js';
import { chosenOwner, clusterFile, RULE_PORT, SERVICE_PORT } from './harness/cluster.js';
import { type RunningEnvoy, startEnvoy } from './harness/envoy.js';
import { startService, type TestService } from './harness/service.js';
import { waitFor } from './harness/wait.js';

const envoyFolder = fileURLToPath(new URL('../../envoy/', import.meta.url));
const OWN = '127.0.33.1';
const WEBSITE = { host: OWN, port: 8080 };
const identity = handoffIdentity(Buffer.alloc(32, 7), 'mail.example.org');

/** envoy/existing.yaml with the state directory and the addresses of this test. */
function existing(stateDir: string): EnvoyJson {
  const text = readFileSync(`${envoyFolder}existing.yaml`, 'utf8');
  const here = text
    .replaceAll('/var/lib/envoy-nlb', stateDir)
    .replaceAll('10.0.0.11', OWN)
    .replaceAll('127.0.0.1', OWN);
  return parse(here) as EnvoyJson;
}

describe('envoy/existing.yaml', () => {
  const file = clusterFile('127.0.33', 1);
  let envoy: RunningEnvoy;
  let mail: TestService;
  const website = createServer(answer);

  beforeAll(async () => {
    await new Promise<void>((resolve) => website.listen(8081, OWN, resolve));
    mail = await startService({ name: 'mail1', listen: { host: OWN, port: SERVICE_PORT }, proxyProtocol: 'v2' });
    const bootstrapAs = (_: EnvoyJson, paths: { directory: string }) => existing(join(paths.directory, '..'));
    envoy = await startEnvoy({ file, identity, self: 'mail1', listenersAs: chosenOwner(null), bootstrapAs });
  });
  afterAll(async () => {
    await envoy?.stop();
    await mail?.stop();
    website.closeAllConnections();
    website.close();
  });

  it('serves the website and the port rule side by side', async () => {
    expect(await fetched('/')).toBe('the website');
    expect(await greeting('127.77.3.1', { host: OWN, port: RULE_PORT })).toContain('220 mail1 client=127.77.3.1:');
  });

  it('keeps an open answer of the website while port rules come and go', async () => {
    const slow = await open('/slow');
    const two = clusterFile('127.0.33', 1, [{}, { name: 'submission', portFirst: 2587, portLast: 2587 }]);
    envoy.write('cds', envoyClusters(two, 'mail1', envoy.paths), '2');
    await waitFor('clusters of version 2', async () => (await envoy.admin.taken()).cds === '2');
    await envoy.relisten(chosenOwner(null)(listeners(two, 'mail1', envoy.paths, envoy.paths)), '2');
    const ofNewRule = openClient({ from: '127.77.3.2', to: { host: OWN, port: 2587 } });
    expect(await ofNewRule.firstLine()).toContain('220 mail1');
    await envoy.relisten(chosenOwner(null)(listeners(file, 'mail1', envoy.paths, envoy.paths)), '3');
    await ofNewRule.ended();
    expect(slow.complete).toBe(false);
    expect(await fetched('/finish')).toBe('finished');
    expect(await textOf(slow)).toBe('begun, finished');
  });
});

describe('envoy --mode validate', () => {
  it.each(['mail1', 'mail2', 'mail3'])('finds nothing wrong with the example of %s', async (self) => {
    const directory = mkdtempSync(join(tmpdir(), 'nlb-validate-'));
    try {
      const path = join(directory, 'static.json');
      writeFileSync(path, JSON.stringify(asStatic(self, directory)));
      const { path: binary } = await findEnvoy();
      const { stdout } = await promisify(execFile)(binary, ['--mode', 'validate', '-c', path, '-l', 'warning']);
      expect(stdout).toContain('OK');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

/**
 * The example as one static configuration: `--mode validate` does not follow LDS and CDS files. The certificate, which the
 * example leaves out, is a real one here, and the decision filter is left to test/e2e/ecds.test.ts.
 */
function asStatic(self: string, directory: string): EnvoyJson {
  const read = (name: string) => JSON.parse(readFileSync(`${envoyFolder}example/${self}/${name}.json`, 'utf8'));
  const { dynamic_resources: _, ...bootstrap } = read('bootstrap') as EnvoyJson;
  const strip = (resource: EnvoyJson) => ({ ...resource, '@type': undefined });
  const resources = {
    listeners: chosenOwner(null)((read('lds') as { resources: EnvoyJson[] }).resources).map(strip),
    clusters: (read('cds') as { resources: EnvoyJson[] }).resources.map(strip),
  };
  const secrets = secretsOf(identity);
  const beside = (_key: string, value: unknown) => {
    const kind = (['certificate', 'accepted'] as const).find(
      (each) => value === envoyPaths('/var/lib/envoy-nlb')[each],
    );
    if (kind === undefined) return value;
    writeFileSync(join(directory, `${kind}.json`), JSON.stringify(discoveryResponse([secrets[kind]], '1')));
    return join(directory, `${kind}.json`);
  };
  return JSON.parse(JSON.stringify({ ...bootstrap, static_resources: resources }), beside) as EnvoyJson;
}

/** `/slow` begins an answer that `/finish` ends; anything else is the website. */
const waiting: ServerResponse[] = [];
function answer(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/slow') {
    response.write('begun, ');
    waiting.push(response);
    return;
  }
  if (request.url === '/finish') for (const slow of waiting.splice(0)) slow.end('finished');
  response.end(request.url === '/finish' ? 'finished' : 'the website');
}

const open = (path: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => get({ ...WEBSITE, path, agent: false }, resolve).on('error', reject));

async function textOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of message) text += String(chunk);
  return text;
}

const fetched = async (path: string): Promise<string> => textOf(await open(path));
