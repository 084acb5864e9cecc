/**
 * Brings Envoy from the files it has to the files it shall have, so that no connection ever meets a name that is missing:
 *
 *     cds.json   what is there and what is new      (clusters in)
 *     lds.json
 *     ecds.json  the view
 *     cds.json   what is new alone                  (clusters out)
 *
 * Each step waits until Envoy's stats show the version. When Envoy says no, the last good files go back first (an Envoy that
 * starts on a refused file refuses every connection), then the reason is thrown.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { discoveryResponse, type EnvoyJson } from '../protocol/xds/index.js';
import { EdgeError } from './edge-error.js';
import type { EnvoyAdmin, TakenVersions } from './envoy-admin.js';
import { replaceFile } from './files.js';
import { shortHash } from './hash.js';

export type FileKind = 'cds' | 'lds' | 'ecds';

/** What Envoy shall have. */
export type EnvoyWish = Record<FileKind, readonly EnvoyJson[]>;

export interface EnvoyFilesOptions {
  paths: Record<FileKind, string>;
  admin: EnvoyAdmin;
  /** Of the Envoy that answers; null where it is somebody's own. Another one has its counts from 0. */
  pid(): number | null;
  /** False while Envoy is down: it reads all files when it starts, so there is no order to keep. */
  isServing(): boolean;
  /** Called when all files are there and Envoy is down: the moment to start it. */
  whenWritten(): Promise<void>;
  /** Why Envoy refused, in its own words (its log); for ECDS there is no other place. */
  complaints(): string[];
}

interface Written {
  version: string;
  text: string;
  resources: readonly EnvoyJson[];
}

/** And which Envoy it was. */
interface Answer {
  taken: TakenVersions;
  pid: number | null;
}

/** Envoy has an update in force 2-10 ms after the file; asked soon, then less often. */
const ASK_FIRST_MS = 4;
const ASK_MAX_MS = 100;
/** `config: Filesystem config update rejected: Error adding/updating cluster(s) NAME: reason; NAME: reason` */
const UPDATE_REJECTED = /config update rejected: (.+)$/;

export class EnvoyFiles {
  private readonly onDisk: Record<FileKind, Written | null>;
  /** The last ones that Envoy is known to have taken, all together: one without the others may name what is missing. */
  private good: Record<FileKind, Written | null>;
  /** Whether an adopted Envoy has what is on disk is not known before it was asked. */
  private hasReadBack = false;
  /** What Envoy answered last. */
  private seen: Answer | null = null;
  /** And that was that it has all that was written: nothing that could be refused is under way. */
  private isQuiet = false;
  /** The same when the file on disk was written: what was refused before that is no news, also where a busy Envoy is silent just then. */
  private readonly before: Record<FileKind, Answer | null> = { cds: null, lds: null, ecds: null };

  constructor(private readonly options: EnvoyFilesOptions) {
    const { paths } = options;
    this.onDisk = { cds: readWritten(paths.cds), lds: readWritten(paths.lds), ecds: readWritten(paths.ecds) };
    this.good = { ...this.onDisk };
  }

  get isServing(): boolean {
    return this.options.isServing();
  }

  /** The resources of the file on disk; none where there is no file. */
  resourcesOf(kind: FileKind): readonly EnvoyJson[] {
    return this.onDisk[kind]?.resources ?? [];
  }

  /**
   * Resolves when Envoy has all of `wish` in force, however long that takes (it may be down).
   *
   * @throws EdgeError ENVOY_REFUSED when Envoy said no (the last good files are back), DISK_FULL or FILE_NOT_WRITTEN
   * @throws AbortError when `signal` says that this wish is history
   */
  async put(wish: EnvoyWish, signal: AbortSignal): Promise<void> {
    if (this.isServing) await this.putInOrder(wish, signal);
    else await this.putAtOnce(wish, signal);
    this.good = { ...this.onDisk };
    this.hasReadBack = true;
  }

  private async putInOrder(wish: EnvoyWish, signal: AbortSignal): Promise<void> {
    const kept = this.resourcesOf('cds').filter((old) => !wish.cds.some((cluster) => cluster.name === old.name));
    await this.step('cds', kept.length > 0 ? [...wish.cds, ...kept] : wish.cds, signal);
    await this.step('lds', wish.lds, signal);
    await this.step('ecds', wish.ecds, signal);
    if (kept.length > 0) await this.step('cds', wish.cds, signal);
  }

  /** Writes what is read at Envoy's start, without waiting for anything. */
  async write(wish: EnvoyWish): Promise<void> {
    for (const kind of ['cds', 'lds', 'ecds'] as const) await this.writeOne(kind, wish[kind]);
  }

  /** Envoy is started for history as well: where views come fast, every one of them is. It follows them from then on. */
  private async putAtOnce(wish: EnvoyWish, signal: AbortSignal): Promise<void> {
    await this.write(wish);
    await this.options.whenWritten();
    for (const kind of ['cds', 'lds', 'ecds'] as const) await this.waitTaken(kind, signal);
  }

  private async step(kind: FileKind, resources: readonly EnvoyJson[], signal: AbortSignal): Promise<void> {
    const version = versionOf(resources);
    if (this.hasReadBack && version === this.onDisk[kind]?.version && version === this.good[kind]?.version) return;
    if (!this.isSureOf(kind)) await this.ask();
    await this.writeOne(kind, resources);
    await this.waitTaken(kind, signal);
  }

  /** Nobody else writes these files, so the same Envoy has refused as many as when it was asked last. */
  private isSureOf(kind: FileKind): boolean {
    const pid = this.options.pid();
    if (!this.isQuiet || this.seen === null || this.seen.pid !== pid) return false;
    return pid !== null || refusedCount(this.seen.taken, kind) === 0;
  }

  private async writeOne(kind: FileKind, resources: readonly EnvoyJson[]): Promise<void> {
    const version = versionOf(resources);
    if (this.onDisk[kind]?.version === version) return;
    const text = `${JSON.stringify(discoveryResponse(resources, version))}\n`;
    this.before[kind] = this.seen;
    await replaceFile(this.options.paths[kind], text, 0o600, 'either');
    this.onDisk[kind] = { version, text, resources };
  }

  /** @returns null where it does not answer */
  private async ask(): Promise<TakenVersions | null> {
    const taken = await this.options.admin.taken().catch(() => null);
    if (taken) this.seen = { taken, pid: this.options.pid() };
    return taken;
  }

  private async waitTaken(kind: FileKind, signal: AbortSignal): Promise<void> {
    const wanted = this.onDisk[kind];
    if (wanted === null) return;
    const before = this.before[kind];
    this.isQuiet = false;
    for (let askMs = ASK_FIRST_MS; ; askMs = Math.min(ASK_MAX_MS, askMs * 2)) {
      signal.throwIfAborted();
      const taken = await this.ask();
      if (taken?.[kind] === wanted.version) {
        this.isQuiet = true;
        return;
      }
      const countBefore = before?.pid === this.options.pid() ? refusedCount(before.taken, kind) : 0;
      const count = taken ? refusedCount(taken, kind) : 0;
      // One that has counted less is another one, which has read this file when it started.
      if (count > (count < countBefore ? 0 : countBefore)) return this.putBack(kind, wanted);
      await sleep(askMs, undefined, { signal });
    }
  }

  private async putBack(kind: FileKind, refused: Written): Promise<never> {
    const reasons = await this.reasons(kind);
    for (const each of ['ecds', 'lds', 'cds'] as const) {
      const good = this.good[each];
      if (good === null || good.version === this.onDisk[each]?.version) continue;
      this.before[each] = this.seen;
      await replaceFile(this.options.paths[each], good.text);
      this.onDisk[each] = good;
    }
    const back = this.good[kind] ? `the last good one (${this.good[kind].version}) is back` : 'there is no earlier one';
    const text = `Envoy refused ${this.options.paths[kind]} (version ${refused.version}): ${reasons}; ${back}`;
    throw new EdgeError('ENVOY_REFUSED', text);
  }

  private async reasons(kind: FileKind): Promise<string> {
    const ofListeners = kind === 'lds' ? await this.options.admin.listenerErrors().catch(() => []) : [];
    if (ofListeners.length > 0) return ofListeners.join('; ');
    const complaints = this.options.complaints();
    // One line has all of them, with the names; beside it stands each by itself.
    const summary = complaints.map((line) => UPDATE_REJECTED.exec(line)?.[1]).findLast((text) => text !== undefined);
    return (summary ?? complaints.slice(-2).join('; ')) || 'it does not say why';
  }
}

/** The listeners of a file are asked for with every view; a thousand of them are some MB of JSON. */
const versions = new WeakMap<readonly EnvoyJson[], string>();

/** The same content is the same version: a restarted sidecar writes nothing that Envoy has already. */
function versionOf(resources: readonly EnvoyJson[]): string {
  const known = versions.get(resources);
  if (known !== undefined) return known;
  const version = shortHash(JSON.stringify(resources));
  versions.set(resources, version);
  return version;
}

function refusedCount(taken: TakenVersions, kind: FileKind): number {
  return { cds: taken.cdsRejectedCount, lds: taken.ldsRejectedCount, ecds: taken.ecdsRejectedCount }[kind];
}

/** A file that cannot be read counts as missing: it is written anew. */
function readWritten(path: string): Written | null {
  try {
    const text = readFileSync(path, 'utf8');
    const parsed = JSON.parse(text) as { version_info?: unknown; resources?: unknown };
    if (typeof parsed.version_info !== 'string' || !Array.isArray(parsed.resources)) return null;
    return { version: parsed.version_info, text, resources: parsed.resources as EnvoyJson[] };
  } catch {
    return null;
  }
}
