import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findingLine, parseClusterFile } from '../../host/protocol/config/index.js';
import type { ClusterFile, InForce } from '../../host/protocol/types.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import * as xds from '../../host/protocol/xds/index.js';

const directory = fileURLToPath(new URL('../../envoy/example/', import.meta.url));
const UPDATE = 'npx vitest run --project unit test/host/envoy-example.test.ts -u';
const LIMITS = { openFilesMax: 20_000, workerCount: 2 };

/** In the place of what is made from a real cluster key, which does not belong into a repository. */
const IDENTITY: xds.HandoffIdentity = {
  certificatePem: '(certificate made from the cluster key)',
  privateKeyPem: '(private key made from the cluster key)',
  publicKeyHashesBase64: ['(SHA-256 of its public key)'],
};

function exampleFile(): ClusterFile {
  const parsed = parseClusterFile(readFileSync(`${directory}cluster.yaml`, 'utf8'), 'envoy/example/cluster.yaml');
  if ('errors' in parsed) throw new Error(parsed.errors.map(findingLine).join('\n'));
  return parsed.file;
}

/** All hosts take part in all rules: the first view of a whole cluster. */
function wholeView(file: ClusterFile): InForce {
  const hosts = file.hosts.map(({ name, priority }) => ({
    name,
    priority,
    rules: file.portRules.map((rule) => ({
      loadWeight: rule.loadWeights[name] ?? 0,
      handlingPriority: rule.handlingPriorities[name] ?? 0,
      absence: null,
    })),
  }));
  const zeros = '0'.repeat(16);
  const view = { number: 1, checksum: zeros, fingerprint: zeros, decisionVersion: 1, protocolVersion: 1, hosts };
  return { file, view, lostSince: [] };
}

describe.each(['mail1', 'mail2', 'mail3'])('envoy/example/%s', (self) => {
  const file = exampleFile();
  const paths = xds.envoyPaths('/var/lib/envoy-nlb');
  const view = Buffer.from(encodeView(wholeView(file), self)).toString('base64');
  const secrets = xds.secretsOf(IDENTITY);
  const generated: Record<string, object> = {
    bootstrap: xds.bootstrap(file, self, paths, LIMITS),
    cds: xds.discoveryResponse(xds.envoyClusters(file, self, paths, paths), '1'),
    lds: xds.discoveryResponse(xds.listeners(file, self, paths, paths), '1'),
    ecds: xds.discoveryResponse([xds.filterConfig(view, `${paths.directory}/filter.wasm`)], '1'),
    'handoff-certificate': xds.discoveryResponse([secrets.certificate], '1'),
    'handoff-accepted': xds.discoveryResponse([secrets.accepted], '1'),
  };

  it.each(Object.keys(generated))('%s.json is what the sidecar writes today', async (name) => {
    const text = `${JSON.stringify(generated[name], null, 1)}\n`;
    await expect(text).toMatchFileSnapshot(`${directory}${self}/${name}.json`, `to renew it: ${UPDATE}`);
  });
});
