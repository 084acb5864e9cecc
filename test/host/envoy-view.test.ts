/** Which wish is written when, and what Envoy is asked, without an Envoy. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EnvoyAdmin, TakenVersions } from '../../host/edge/envoy-admin.js';
import { EdgeError } from '../../host/edge/edge-error.js';
import { EnvoyFiles } from '../../host/edge/envoy-files.js';
import { EnvoyView, type EnvoyViewOptions } from '../../host/edge/envoy-view.js';
import { NOBODY_KEPT } from '../../host/protocol/view-kept.js';
import { envoyPaths } from '../../host/protocol/xds/index.js';
import { clusterFile } from '../e2e/harness/cluster.js';
import { inForceOf } from '../filter/views.js';
import { freshDirectory } from './cli-fixture.js';

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

  /** Envoy's files as something that takes what it is told when it is let. */
  function slow() {
    const puts: { signal: AbortSignal; finish(): void }[] = [];
    const put = (_wish: object, signal: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        puts.push({ signal, finish: resolve });
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    return { puts, ...viewOf({ files: { put } as unknown as EnvoyFiles }) };
  }

  it('finishes what Envoy is about to have before a newer wish has its turn, and skips those in between', async () => {
    const { view, puts, taken } = slow();
    view.decideBy(inForce, 'one');
    await expect.poll(() => puts.length).toBe(1);
    view.decideBy(inForce, 'two');
    view.decideBy(inForce, 'three');
    puts[0]!.finish();
    await expect.poll(() => puts.length).toBe(2);
    puts[1]!.finish();
    await expect.poll(() => taken).toEqual(['one', 'three']);
    await view.stop();
  });

  it('says nothing of a file that was refused when another one waits already', async () => {
    const refusals: ((reason: Error) => void)[] = [];
    const put = () => new Promise<void>((_, reject) => refusals.push(reject));
    const { view, taken } = viewOf({ files: { put } as unknown as EnvoyFiles });
    view.decideBy(inForce, 'one');
    await expect.poll(() => refusals.length).toBe(1);
    view.decideBy({ ...inForce, file: clusterFile('127.0.50', 2) }, 'two');
    refusals[0]!(new Error('of the first'));
    await expect.poll(() => refusals.length).toBe(2);
    refusals[1]!(new Error('of the second'));
    await expect.poll(() => taken).toEqual(['refused: of the second']);
    await view.stop();
  });

  it('gives up what Envoy does not take for a newer wish', async () => {
    const { view, puts, taken } = slow();
    view.decideBy(inForce, 'one');
    await expect.poll(() => puts.length).toBe(1);
    view.decideBy(inForce, 'two');
    await expect.poll(() => puts.length).toBe(2);
    expect(puts[0]!.signal.aborted).toBe(true);
    puts[1]!.finish();
    await expect.poll(() => taken).toEqual(['two']);
    await view.stop();
  });
});

describe('EnvoyView where a newer view comes while each is made ready', () => {
  async function firstPut(isServing: boolean) {
    let cameCount = 1;
    const puts: number[] = [];
    const put = async () => void puts.push(cameCount);
    const { view } = viewOf({
      files: { isServing, put } as unknown as EnvoyFiles,
      async keptFor() {
        await Promise.resolve();
        if (cameCount < 5) view.decideBy(inForce, `${++cameCount}`);
        return NOBODY_KEPT;
      },
    });
    view.decideBy(inForce, '1');
    await expect.poll(() => [cameCount, puts.length > 0]).toEqual([5, true]);
    await view.stop();
    return puts[0];
  }

  it('writes the first for an Envoy that is down: it can start', async () => {
    expect(await firstPut(false)).toBe(2);
  });

  it('says why it does not start, however fast newer views come', async () => {
    const said: string[] = [];
    let [cameCount, tries] = [1, 0];
    const put = async () => {
      tries += 1;
      throw new EdgeError('PORT_TAKEN', 'port 25 is taken');
    };
    const { view } = viewOf({
      files: { isServing: false, put } as unknown as EnvoyFiles,
      async keptFor() {
        await Promise.resolve();
        if (cameCount < 5) view.decideBy(inForce, `${++cameCount}`);
        return NOBODY_KEPT;
      },
      onRefused: (reason) => void said.push(reason),
    });
    view.decideBy(inForce, '1');
    await expect.poll(() => cameCount).toBe(5);
    await view.stop();
    expect(tries).toBeGreaterThan(1);
    expect(said).toEqual(Array(tries).fill('port 25 is taken'));
  });

  it('writes the last alone for one that serves', async () => {
    expect(await firstPut(true)).toBe(5);
  });
});

/** An Envoy that takes what it finds, or refuses it, with the next question. */
function files() {
  const directory = freshDirectory();
  const paths = { cds: join(directory, 'cds'), lds: join(directory, 'lds'), ecds: join(directory, 'ecds') };
  const envoy = { pid: 7, questions: 0, refuses: false, refused: new Set<string>(), ecds: '' };
  const taken = async (): Promise<TakenVersions> => {
    envoy.questions += 1;
    const [cds, lds, ecds] = [paths.cds, paths.lds, paths.ecds].map(versionAt) as [string, string, string];
    if (envoy.refuses && ecds !== envoy.ecds) envoy.refused.add(ecds);
    else envoy.ecds = ecds;
    const counts = { cdsRejectedCount: 0, ldsRejectedCount: 0, ecdsRejectedCount: envoy.refused.size };
    return { cds, lds, ecds: envoy.ecds, ...counts };
  };
  const envoyFiles = new EnvoyFiles({
    paths,
    admin: { taken } as unknown as EnvoyAdmin,
    isServing: () => true,
    pid: () => envoy.pid,
    whenWritten: async () => {},
    complaints: () => [],
  });
  const put = (number: number) =>
    envoyFiles.put({ cds: [], lds: [], ecds: [{ name: `view ${number}` }] }, new AbortController().signal);
  return { envoy, put, paths };
}

function versionAt(path: string): string {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { version_info: string }).version_info;
  } catch {
    return '';
  }
}

describe('EnvoyFiles', () => {
  it('asks Envoy once for a view, where it never refused anything', async () => {
    const { envoy, put } = files();
    await put(1);
    const before = envoy.questions;
    await put(2);
    expect(envoy.questions - before).toBe(1);
  });

  it('sees each refusal for what it is, also after others, and puts the last good file back', async () => {
    const { envoy, put, paths } = files();
    await put(1);
    const good = versionAt(paths.ecds);
    envoy.refuses = true;
    for (const number of [2, 3]) await expect(put(number)).rejects.toMatchObject({ code: 'ENVOY_REFUSED' });
    expect(versionAt(paths.ecds)).toBe(good);
    envoy.refuses = false;
    await put(4);
    expect(versionAt(paths.ecds)).not.toBe(good);
  });

  it('asks an Envoy that was started anew what it refused before, and sees what it refuses', async () => {
    const { envoy, put } = files();
    await put(1);
    Object.assign(envoy, { pid: 8, refuses: true, refused: new Set(['of another life']) });
    await expect(put(2)).rejects.toMatchObject({ code: 'ENVOY_REFUSED' });
  });
});
