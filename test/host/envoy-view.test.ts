/** Which wish is written when, without an Envoy. */
import { describe, expect, it } from 'vitest';
import type { EnvoyFiles } from '../../host/edge/envoy-files.js';
import { EnvoyView, type EnvoyViewOptions } from '../../host/edge/envoy-view.js';
import { envoyPaths } from '../../host/protocol/xds/index.js';
import { clusterFile } from '../e2e/harness/cluster.js';
import { inForceOf } from '../filter/views.js';

const inForce = { ...inForceOf([{ parts: [1, 1] }], ['mail1', 'mail2']), file: clusterFile('127.0.50', 2) };

function viewOf(more: Partial<EnvoyViewOptions> = {}) {
  const taken: string[] = [];
  const written = { put: 0, write: 0 };
  const paths = envoyPaths('/var/lib/envoy-nlb');
  const files = {
    put: async () => void written.put++,
    write: async () => void written.write++,
  } as unknown as EnvoyFiles;
  const view = new EnvoyView({
    self: 'mail1',
    paths,
    files,
    wasmPath: '/filter.wasm',
    isWithoutEnvoy: () => false,
    openGates: () => {},
    checkView: () => null,
    onTaken: (_inForce, checksum) => taken.push(checksum),
    onRefused: (reason) => taken.push(`refused: ${reason}`),
    ...more,
  });
  return { view, taken, written };
}

describe('EnvoyView', () => {
  it('writes a wish that comes in the very moment in which the one before is done', async () => {
    const taken: string[] = [];
    const { view } = viewOf({
      onTaken(_inForce, checksum) {
        taken.push(checksum);
        // Whoever waits for it goes on a moment later.
        if (checksum === 'one') void Promise.resolve().then(() => view.decideBy(inForce, 'two'));
      },
    });
    view.decideBy(inForce, 'one');
    await expect.poll(() => taken).toEqual(['one', 'two']);
  });

  it('writes for nobody what was under way when Envoy was ended on purpose', async () => {
    let isWithoutEnvoy = false;
    const { view, taken, written } = viewOf({
      isWithoutEnvoy: () => isWithoutEnvoy,
      files: {
        put: (_wish: object, signal: AbortSignal) => {
          written.put += 1;
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
        write: async () => void written.write++,
      } as unknown as EnvoyFiles,
    });
    view.decideBy(inForce, 'one');
    await expect.poll(() => written.put).toBe(1);
    isWithoutEnvoy = true;
    view.again();
    await expect.poll(() => taken).toEqual(['one']);
    expect(written).toEqual({ put: 1, write: 1 });
    view.again();
    await view.stop();
    expect(written).toEqual({ put: 1, write: 1 });
  });
});
