/**
 * Everything of this host's Envoy in one hand: its process (or somebody's own, beside which the sidecar writes files only),
 * its files, and the view it decides by.
 */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { ClusterFile, HostName, InForce } from '../protocol/types.js';
import type { KeptClients } from '../protocol/view-kept.js';
import { bootstrap, type EnvoyPaths, envoyPaths, hasGate, type HandoffIdentity } from '../protocol/xds/index.js';
import type { Clock } from './clock.js';
import type { Decision } from './decision.js';
import { connectEnvoyAdmin, type EnvoyAdmin } from './envoy-admin.js';
import { findEnvoy } from './envoy-binary.js';
import { endpointsOf, nameOf } from './envoy-endpoints.js';
import { EnvoyFiles } from './envoy-files.js';
import { EnvoyMinder, type EnvoyState } from './envoy-minder.js';
import { findOwnEnvoy, refuseTakenPorts } from './envoy-process.js';
import { Gates } from './gates.js';
import { EnvoyView } from './envoy-view.js';
import { replaceFile } from './files.js';
import { filterPath, installFilter, removeOldFilters } from './filter-file.js';
import { HandoffSecretFiles } from './handoff-secrets.js';
import type { Endpoint } from './listening.js';
import type { Log } from './log.js';
import { openFilesMax } from './open-files.js';

export interface OwnEnvoyOptions {
  self: HostName;
  stateDir: string;
  /** What it shows other Envoys at first; useIdentity() changes it. */
  identity: HandoffIdentity;
  decision: Decision;
  clock: Clock;
  log: Log;
  /** The admin socket of an Envoy that somebody else runs; null to run one. */
  existingAdmin: string | null;
  /** Further command line of an Envoy that is started here. */
  extraArguments: readonly string[];
  /** Before listeners become those of a file. */
  beforeListeners?(file: ClusterFile): Promise<void>;
  onState(state: EnvoyState): void;
  onTaken(inForce: InForce, checksum: string): void;
  onRefused(reason: string): void;
  /** Who is kept by this view; see envoy-view.ts. */
  keptFor?(inForce: InForce): Promise<KeptClients>;
}

export class OwnEnvoy {
  readonly admin: EnvoyAdmin;
  private readonly paths: EnvoyPaths;
  private readonly files: EnvoyFiles;
  private readonly secrets: HandoffSecretFiles;
  private readonly gates: Gates;
  private minder: EnvoyMinder | null = null;
  private view: EnvoyView | null = null;
  private file: ClusterFile | null = null;
  private begun = false;
  /** Beginnings and ends come one after the other, as they were asked for. */
  private turn: Promise<unknown> = Promise.resolve();
  /** Ends that were asked for and are not over: it may still look as if it served. */
  private endingCount = 0;
  /** Meant to serve; false once this host is stopped. */
  private wanted = true;
  private isLeaving = false;

  constructor(private readonly options: OwnEnvoyOptions) {
    this.paths = envoyPaths(options.stateDir);
    this.admin = connectEnvoyAdmin(options.existingAdmin ?? this.paths.adminSocket);
    this.secrets = new HandoffSecretFiles(this.paths, this.admin);
    this.gates = new Gates(this.paths, resolve(this.admin.socketPath));
    this.files = new EnvoyFiles({
      paths: this.paths,
      admin: this.admin,
      pid: () => this.state.pid,
      isServing: () => this.endingCount === 0 && this.state.state === 'serving',
      whenWritten: () => this.begin(),
      complaints: () => this.minder?.complaints() ?? [],
    });
  }

  get isExisting(): boolean {
    return this.options.existingAdmin !== null;
  }

  get state(): EnvoyState {
    return this.minder?.current ?? this.existingState;
  }

  private existingState: EnvoyState = { state: 'starting', pid: null, version: null, detail: null };

  /**
   * Finds the Envoy to start and looks for one that runs already; adopts that.
   *
   * @param file    the file in force, or the one on disk before the first view
   * @param wanted  false on a host that was stopped: its Envoy is not started, and one that runs is still to be ended
   * @returns       true where a running one was adopted
   * @throws EdgeError where there is no Envoy, or a port is taken
   */
  async open(file: ClusterFile, wanted: boolean): Promise<boolean> {
    this.file = file;
    this.wanted = wanted;
    const { self, identity, decision, keptFor } = this.options;
    await this.secrets.write(identity);
    const wasmPath = await installFilter(filterPath(), this.paths.directory);
    this.view = new EnvoyView({
      self,
      paths: this.paths,
      files: this.files,
      wasmPath,
      isWithoutEnvoy: () => !this.wanted,
      beforeListeners: async (wanted) => this.options.beforeListeners?.(wanted),
      openGates: (wanted) => this.gates.setRules(gatedRules(wanted)),
      checkView: (bytes) => faultText(decision, bytes),
      ...(keptFor ? { keptFor } : {}),
      onTaken: (inForce, checksum) => {
        this.options.onTaken(inForce, checksum);
        void removeOldFilters(this.paths.directory, wasmPath).catch(() => {});
      },
      onRefused: this.options.onRefused,
    });
    await this.lookAtExisting();
    if (this.isExisting) return true;
    const { path } = await findEnvoy();
    this.minder = this.createMinder(path);
    const isRunning = findOwnEnvoy(this.paths.directory) !== null;
    // That of a stopped host may still serve: it is ended as any other is, once the host is out of every rule.
    this.wanted = wanted || isRunning;
    if (isRunning) await this.begin();
    else await refuseTakenPorts(this.endpoints());
    return isRunning;
  }

  /**
   * Shows `identity` to other Envoys from now on, and accepts what it accepts; resolves when the running Envoy does.
   *
   * @throws Error where it does not
   */
  async useIdentity(identity: HandoffIdentity): Promise<void> {
    await this.secrets.write(identity);
    if (this.state.state === 'serving') await this.secrets.taken(identity);
  }

  decideBy(inForce: InForce, checksum: string): void {
    this.file = inForce.file;
    this.view?.decideBy(inForce, checksum);
  }

  /**
   * Ends the open connections to this host's services of these rules and takes no new ones, until they are no longer named.
   *
   * @returns the names of those that were closed and are open from now on; Envoy has to see it first
   * @throws  EdgeError FILE_NOT_WRITTEN
   */
  closeGates(rules: ReadonlySet<string>): string[] {
    const file = this.file;
    const opened =
      file === null ? [] : gatedRules(file).filter((rule) => this.gates.isClosed(rule) && !rules.has(rule));
    this.gates.close(rules);
    return opened;
  }

  /** Other clients are kept than before. */
  keepOthers(): void {
    this.view?.refresh();
  }

  /** Where this host would listen by `file` and does not yet, `others` by its sidecar: taken ones make a file unfit. */
  async refusePortsTakenFor(file: ClusterFile, others: readonly Endpoint[]): Promise<void> {
    const now = new Set(this.endpoints().map(nameOf));
    const wanted = [...this.endpoints(file), ...others].filter((endpoint) => !now.has(nameOf(endpoint)));
    await refuseTakenPorts(wanted, 'Cannot listen where this file says');
  }

  get clientLogPath(): string {
    return this.paths.clientLog;
  }

  /** Ends Envoy, because this host is stopped. Somebody's own goes on; its listeners hand everything off. */
  async end(): Promise<void> {
    if (!this.wanted || this.isExisting) return;
    this.wanted = false;
    this.endingCount += 1;
    // What is under way would wait for an Envoy that is no more.
    this.view?.again();
    await this.inTurn(async () => {
      try {
        if (this.begun) await this.minder?.end();
        this.begun = false;
      } finally {
        this.endingCount -= 1;
      }
    });
  }

  /** Meant to serve again; it is begun when the next view is written. */
  want(): void {
    this.wanted = true;
  }

  get isWanted(): boolean {
    return this.wanted;
  }

  /** The sidecar is about to end: Envoy keeps the view that it has, and none is started that is not under way. */
  giveUp(): void {
    this.isLeaving = true;
    this.view?.giveUp();
  }

  /** The sidecar ends; Envoy goes on, or ends where that was asked for. */
  async leave(): Promise<void> {
    this.giveUp();
    await this.view?.stop();
    await this.turn;
    // One that hangs is not waited for.
    this.admin.close();
    await this.minder?.leave();
  }

  private begin(): Promise<void> {
    return this.inTurn(() => this.beginNow());
  }

  private async beginNow(): Promise<void> {
    if (this.begun || !this.wanted || !this.minder || !this.file) return;
    const limits = { openFilesMax: openFilesMax(), workerCount: workersOf(this.options.extraArguments) };
    const text = JSON.stringify(bootstrap(this.file, this.options.self, this.paths, limits), null, 1);
    await replaceFile(this.paths.bootstrap, `${text}\n`);
    if (!this.wanted || this.isLeaving) return;
    const how = await this.minder.begin();
    this.begun = true;
    const { pid } = this.minder.current;
    this.options.log.info(
      how === 'adopted' ? `Envoy (process ${pid}) goes on serving` : `Envoy is started (process ${pid})`,
    );
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => {});
    return done;
  }

  private createMinder(binaryPath: string): EnvoyMinder {
    return new EnvoyMinder({
      binaryPath,
      directory: this.paths.directory,
      extraArguments: [...this.options.extraArguments],
      nodeId: this.options.self,
      admin: this.admin,
      clock: this.options.clock,
      log: this.options.log,
      endpoints: () => this.endpoints(),
      onChange: this.options.onState,
    });
  }

  /**
   * Asks an Envoy that is not ours whether it is there. It may come later: with the lines of envoy/existing.yaml it cannot
   * start before the first files are written.
   */
  async lookAtExisting(): Promise<void> {
    if (!this.isExisting) return;
    const { socketPath } = this.admin;
    try {
      const { version, state } = await this.admin.serverInfo();
      const isLive = state === 'LIVE';
      const detail = isLive ? null : `it says that it is ${state}, expected LIVE`;
      this.existingState = { state: isLive ? 'serving' : 'starting', pid: null, version, detail };
    } catch {
      const detail = `the Envoy beside which this host works does not answer at ${socketPath}`;
      this.existingState = { state: 'down', pid: null, version: null, detail };
    }
    this.options.onState(this.existingState);
  }

  private endpoints(file = this.file): Endpoint[] {
    return file ? endpointsOf(file, this.options.self, this.paths) : [];
  }
}

function gatedRules(file: ClusterFile): string[] {
  return file.portRules.filter(hasGate).map(({ name }) => name);
}

/** Envoy's own default is one worker a CPU. */
function workersOf(extraArguments: readonly string[]): number {
  const given = Number(extraArguments[extraArguments.indexOf('--concurrency') + 1]);
  return extraArguments.includes('--concurrency') && given > 0 ? given : availableParallelism();
}

function faultText(decision: Decision, bytes: Uint8Array): string | null {
  const fault = decision.checkView(bytes);
  if (fault === null) return null;
  return `fault ${fault.code}${fault.at === null ? '' : ` at ${fault.at}`}, value ${fault.value} (assembly/decision/fault.ts)`;
}
