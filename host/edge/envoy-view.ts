/**
 * Makes Envoy decide by what is in force: the newest wish wins, one at a time, and `taken` is said only when Envoy's own
 * stats show the version. What Envoy refuses is said once and tried again when something changes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterFile, HostName, InForce } from '../protocol/types.js';
import { makeRoomForLog } from './connection-log.js';
import { encodeView } from '../protocol/view-bytes.js';
import { type KeptClients, NOBODY_KEPT } from '../protocol/view-kept.js';
import { envoyClusters, type EnvoyPaths, filterConfig, listeners } from '../protocol/xds/index.js';
import { EdgeError } from './edge-error.js';
import type { EnvoyFiles, EnvoyWish } from './envoy-files.js';

export interface EnvoyViewOptions {
  self: HostName;
  paths: EnvoyPaths;
  files: EnvoyFiles;
  /** filter.wasm as installFilter() put it. */
  wasmPath: string;
  /** True where this host is stopped and its Envoy ended on purpose: files are kept current, nobody reads them. */
  isWithoutEnvoy(): boolean;
  /** Opens the gates of the services of `file`, before Envoy is told to look at them. @throws where the disk is full */
  openGates(file: ClusterFile): void;
  /** What has to be done before Envoy's listeners become those of `file`. Not waited for longer than a second. */
  beforeListeners?(file: ClusterFile): Promise<void>;
  /** Says why these bytes are not a view the filter would take, or null: a refused file must not reach the disk. */
  checkView(bytes: Uint8Array): string | null;
  /** Who stays at a host that is not the owner, by this view. @default nobody */
  keptFor?(inForce: InForce): Promise<KeptClients>;
  onTaken(inForce: InForce, checksum: string): void;
  onRefused(reason: string): void;
}

interface Wanted {
  inForce: InForce;
  checksum: string;
}

/** What is being written when a newer wish comes is finished: Envoy nearly always has it within 10 ms. */
const FINISH_MAX_MS = 100;
const BEFORE_MAX_MS = 1000;
/** After a full disk and the like, which pass without being told. */
const RETRY_MS = 2000;
/** After Envoy said no: nearly always lasting, and each try has the bad file on disk for a moment. */
const RETRY_REFUSED_MS = 30_000;

export class EnvoyView {
  private waiting: Wanted | null = null;
  private last: Wanted | null = null;
  private working: Promise<void> | null = null;
  private abort = new AbortController();
  private stopped = false;
  private isTelling = false;
  private generated: { file: ClusterFile; wish: Pick<EnvoyWish, 'cds' | 'lds'> } | null = null;

  constructor(private readonly options: EnvoyViewOptions) {}

  /** BOUNDED: one wish waits, the newest; the one under way is given up for it, unless Envoy is about to have it. */
  decideBy(inForce: InForce, checksum: string): void {
    if (this.stopped) return;
    this.waiting = { inForce, checksum };
    this.last = this.waiting;
    const { abort } = this;
    if (this.isTelling) setTimeout(() => abort.abort(), FINISH_MAX_MS).unref();
    else abort.abort();
    this.working ??= this.work();
  }

  /** Writes what was written last once more: other clients are kept. Where something is under way, that is written soon anyway. */
  refresh(): void {
    if (this.last && !this.working) this.decideBy(this.last.inForce, this.last.checksum);
  }

  /** Envoy is ended on purpose: what is under way is begun anew, for nobody would take it. */
  again(): void {
    if (!this.last || !this.working) return;
    this.decideBy(this.last.inForce, this.last.checksum);
    this.abort.abort();
  }

  /** Everything Envoy reads for `inForce`. Listeners and clusters are made once a file: a thousand ports take a moment. */
  wishFor(inForce: InForce, kept: KeptClients = NOBODY_KEPT): EnvoyWish {
    const { self, paths, wasmPath } = this.options;
    const { file } = inForce;
    if (this.generated?.file !== file) {
      makeRoomForLog(file, self);
      this.generated = {
        file,
        wish: { cds: envoyClusters(file, self, paths, paths), lds: listeners(file, self, paths, paths) },
      };
    }
    const bytes = encodeView(inForce, self, kept);
    const wrong = this.options.checkView(bytes);
    if (wrong !== null) throw new Error(`view ${inForce.view.number} does not check out: ${wrong}`);
    return {
      ...this.generated.wish,
      ecds: [filterConfig(Buffer.from(bytes).toString('base64'), wasmPath, file.connectionLog !== undefined)],
    };
  }

  /** Nothing is written from now on, and no Envoy is started for what is under way. */
  giveUp(): void {
    this.stopped = true;
    this.waiting = null;
    this.abort.abort();
  }

  async stop(): Promise<void> {
    this.giveUp();
    await this.working;
  }

  /** Says itself that it ends: said by who waits for it, a wish of the moment in between would be nobody's. */
  private async work(): Promise<void> {
    while (this.waiting && !this.stopped) {
      const wish = this.waiting;
      this.waiting = null;
      await this.put(wish);
    }
    this.working = null;
  }

  private async tell(wish: EnvoyWish, signal: AbortSignal): Promise<void> {
    this.isTelling = true;
    try {
      await this.options.files.put(wish, signal);
    } finally {
      this.isTelling = false;
    }
  }

  private async put(wanted: Wanted): Promise<void> {
    const { inForce, checksum } = wanted;
    this.abort = new AbortController();
    const { signal } = this.abort;
    try {
      const kept = (await this.options.keptFor?.(inForce)) ?? NOBODY_KEPT;
      // Where Envoy is down, each wish that is complete is written: in views that come fast, none would be the last.
      if (this.stopped || this.options.files.isServing) signal.throwIfAborted();
      const wish = this.wishFor(inForce, kept);
      this.options.openGates(inForce.file);
      await Promise.race([
        this.options.beforeListeners?.(inForce.file),
        sleep(BEFORE_MAX_MS, undefined, { ref: false }),
      ]);
      if (this.options.isWithoutEnvoy()) await this.options.files.write(wish);
      else await this.tell(wish, signal);
      this.options.onTaken(inForce, checksum);
    } catch (error) {
      // What Envoy says of a file that is history already would be taken for its answer to the next one.
      const isHistory = this.waiting !== null && this.waiting.inForce.file !== inForce.file;
      // Given up, and not failed: a start of Envoy that fails is told, however fast newer views come.
      const isGivenUp = signal.aborted && (error as Error).name === 'AbortError';
      if (isGivenUp || isHistory) return;
      this.options.onRefused((error as Error).message);
      const wasRefused = error instanceof EdgeError && error.code === 'ENVOY_REFUSED';
      await sleep(wasRefused ? RETRY_REFUSED_MS : RETRY_MS, undefined, { signal }).catch(() => {});
      this.waiting ??= this.stopped ? null : wanted;
    }
  }
}
