/** The order of Envoy's files, and what its counts mean, on an Envoy that the test plays. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EnvoyAdmin, TakenVersions } from '../../host/edge/envoy-admin.js';
import { EnvoyFiles, type FileKind } from '../../host/edge/envoy-files.js';

const KINDS = ['cds', 'lds', 'ecds'] as const;
const wishOf = (name: string) => ({ cds: [{ name }], lds: [{ name }], ecds: [{ name }] });
const NEVER = new AbortController().signal;

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nlb-files-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Reads the files when it is asked, refuses resources of the name `bad`, counts as Envoy does. */
class PlayedEnvoy {
  pid = 1;
  isServing = true;
  startCount = 0;
  /** So many questions from now on are not answered. */
  silent = 0;
  /** So many answers from now on are of before. */
  late = 0;
  refusedCounts = { cds: 0, lds: 0, ecds: 0 };
  private versions = { cds: '', lds: '', ecds: '' };
  private read = { cds: '', lds: '', ecds: '' };
  readonly paths = Object.fromEntries(KINDS.map((kind) => [kind, join(directory, `${kind}.json`)])) as Record<
    FileKind,
    string
  >;
  readonly files = new EnvoyFiles({
    paths: this.paths,
    admin: { taken: () => this.answer(), listenerErrors: async () => [] } as unknown as EnvoyAdmin,
    pid: () => this.pid,
    isServing: () => this.isServing,
    whenWritten: async () => void this.startCount++,
    complaints: () => [],
  });

  /** Another process in its place, which counts from 0. */
  restart(): void {
    this.pid += 1;
    this.isServing = false;
    this.refusedCounts = { cds: 0, lds: 0, ecds: 0 };
    this.versions = { cds: '', lds: '', ecds: '' };
    this.read = { cds: '', lds: '', ecds: '' };
  }

  private async answer(): Promise<TakenVersions> {
    if (this.silent > 0) {
      this.silent -= 1;
      throw new Error('no answer');
    }
    if (this.late > 0) this.late -= 1;
    else for (const kind of KINDS) this.look(kind);
    const { cds, lds, ecds } = this.refusedCounts;
    return { ...this.versions, cdsRejectedCount: cds, ldsRejectedCount: lds, ecdsRejectedCount: ecds };
  }

  private look(kind: FileKind): void {
    const text = textOf(this.paths[kind]);
    if (text === '' || text === this.read[kind]) return;
    this.read[kind] = text;
    const { version_info: version, resources } = JSON.parse(text) as {
      version_info: string;
      resources: { name: string }[];
    };
    if (resources.some(({ name }) => name === 'bad')) this.refusedCounts[kind] += 1;
    else this.versions[kind] = version;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

describe('EnvoyFiles', () => {
  it('takes no earlier refusal for one of now, where Envoy does not answer just before a file is written', async () => {
    const envoy = new PlayedEnvoy();
    envoy.refusedCounts = { cds: 3, lds: 3, ecds: 3 };
    await envoy.files.put(wishOf('one'), NEVER);
    for (const name of ['two', 'three']) {
      envoy.silent = 1;
      envoy.late = 1;
      await envoy.files.put(wishOf(name), NEVER);
      expect(textOf(envoy.paths.lds)).toContain(`"${name}"`);
    }
  });

  it('sees a refusal by an Envoy that was started since, though the one before had refused as often', async () => {
    const envoy = new PlayedEnvoy();
    envoy.refusedCounts.lds = 1;
    await envoy.files.put(wishOf('good'), NEVER);
    envoy.restart();
    const refused = envoy.files.put({ ...wishOf('good'), lds: [{ name: 'bad' }] }, NEVER);
    await expect(refused).rejects.toMatchObject({
      code: 'ENVOY_REFUSED',
      message: expect.stringContaining('lds.json'),
    });
    expect(textOf(envoy.paths.lds)).toContain('"good"');
  });

  it('sees one that was counted while it was asked for another file, also where a newer wish has come since', async () => {
    const envoy = new PlayedEnvoy();
    await envoy.files.put(wishOf('good'), NEVER);
    envoy.restart();
    const bad = (view: string) => ({ ...wishOf('good'), lds: [{ name: 'bad' }], ecds: [{ name: view }] });
    const given = new AbortController();
    const first = envoy.files.put(bad('one'), given.signal);
    given.abort();
    await expect(first).rejects.toBe(given.signal.reason);
    await expect(envoy.files.put(bad('two'), NEVER)).rejects.toMatchObject({ code: 'ENVOY_REFUSED' });
  });

  it('starts an Envoy that is down, though a newer wish has come while the files of this one are written', async () => {
    const envoy = new PlayedEnvoy();
    envoy.isServing = false;
    const given = new AbortController();
    const first = envoy.files.put(wishOf('one'), given.signal);
    given.abort();
    await expect(first).rejects.toBe(given.signal.reason);
    expect([textOf(envoy.paths.ecds).includes('"one"'), envoy.startCount]).toEqual([true, 1]);
  });
});
