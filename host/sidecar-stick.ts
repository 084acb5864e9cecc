/**
 * The recent clients of a running sidecar: learned from its Envoy's log, exchanged with the other hosts, kept on disk, and
 * worked into each view. docs/decisions/0016 says why it is so.
 */
import type { KeptKnowledge } from './admin/explain.js';
import type { RecentClientsStatus } from './admin/status.js';
import type { HostChannel } from './channel/channel.js';
import { ClientLogFile, LOG_START } from './edge/client-log-file.js';
import type { Clock } from './edge/clock.js';
import type { Decision } from './edge/decision.js';
import { systemCode } from './edge/edge-error.js';
import { SavedClientsFile } from './edge/saved-clients.js';
import type { Traffic } from './edge/traffic.js';
import type { ClusterFile, HostName, InForce, Milliseconds } from './protocol/types.js';
import type { KeptClients } from './protocol/view-kept.js';
import { sayOwn } from './problems.js';
import type { Sidecar } from './sidecar.js';
import { hostsTakingPart, keptCount, stickRulesOf } from './stick/kept.js';
import { type ListedRule, type ListQuestion, listedClients } from './stick/listed.js';
import { readLogLine } from './stick/log-line.js';
import { OpenClients } from './stick/open-clients.js';
import { readSaved, restore, savedOf } from './stick/saved.js';
import { fullText, RecentClients } from './stick/table.js';
import { StickKeeping } from './stick-keeping.js';
import { StickPeers } from './stick-peers.js';

export interface SidecarStickOptions {
  self: HostName;
  stateDirectory: string;
  decision: Decision;
  clock: Clock;
  /** Envoy's log of clients, and the process that writes it. */
  logPath: string;
  envoyPid(): number | null;
  reopenLogs(): Promise<void>;
  /** What Envoy counted at the last look; another object at each. */
  traffic(): Traffic | null;
  /** All others of the file in force. */
  others(): readonly HostName[];
  /** Those of them whose heartbeats arrive and who are in the view. */
  heard(): readonly HostName[];
  say(topic: 'clientLog' | 'clientsSaved' | 'clientsFull' | 'clientsExchange', problem: string | null): void;
  /** Others are kept than the view that was written last says. */
  onOthersKept(): void;
}

/** How often Envoy's log is looked at, and what is due. */
const LOOK_MS = 50;
const PRUNE_MS = 10_000;
/** Of 256 kB each: all that a log may have grown to (client-log-file.ts). */
const READS_AT_START_MAX = 40;
/** Looks at Envoy's counts in a row: what is logged of a connection comes a moment after it is counted. */
const QUIET_LOOKS = 4;
/** A count may be older than what is logged since. */
const QUIET_MS = 10_000;

export class SidecarStick {
  readonly table: RecentClients;
  readonly keeping: StickKeeping;
  private readonly open: OpenClients;
  private readonly peers: StickPeers;
  private readonly saved: SavedClientsFile;
  private log: ClientLogFile | null = null;
  private isLogRead = false;
  private isStopped = false;
  private settle!: () => void;
  /** What the other hosts know is known here too, or they do not answer. Views may come before begin(): packets do not wait. */
  private readonly known = new Promise<void>((resolve) => {
    this.settle = resolve;
  });
  private seenTraffic: Traffic | null = null;
  private inForce: InForce | null = null;
  private file: ClusterFile | null = null;
  private pid: number | null = null;
  private prunedMs: Milliseconds = 0;
  private timer: NodeJS.Timeout | null = null;
  private readonly quietLooks = new Map<string, number>();

  constructor(private readonly options: SidecarStickOptions) {
    const { self, stateDirectory, decision, clock, others, say, onOthersKept } = options;
    this.table = new RecentClients(self);
    this.keeping = new StickKeeping(this.table, decision, clock, onOthersKept);
    this.peers = new StickPeers(this.table, clock, others);
    this.saved = new SavedClientsFile(stateDirectory, (problem) => say('clientsSaved', problem));
    this.open = new OpenClients({
      table: this.table,
      hashOf: (rule, address) => this.hashOf(rule, address),
      takesPart: (host, rule) => this.takesPart(host, rule),
    });
  }

  /** To be called before the channel is opened. */
  speakBy(channel: HostChannel): void {
    this.peers.speakBy(channel);
  }

  /**
   * Takes up what an earlier life knew, and asks the others. A host whose Envoy does not serve yet waits for them before it takes
   * part; one that serves goes on by the view that Envoy has, and writes the next one when it knows what they know.
   */
  async begin(file: ClusterFile, isServing: boolean): Promise<void> {
    this.start(file);
    const asked = this.isUsed ? this.peers.first() : Promise.resolve();
    void asked.then(() => {
      this.catchUp();
      this.settle();
    });
    if (!isServing) await this.known;
  }

  private start(file: ClusterFile): void {
    const { clock, self, envoyPid, others, logPath: path, reopenLogs: reopen } = this.options;
    this.useFile(file);
    const nowMs = clock.nowMs();
    for (const host of others()) this.table.heard(host, 0, nowMs);
    const saved = readSaved(this.saved.read(), self);
    if (saved) restore(this.table, this.open, saved, { nowMs, wallMs: Date.parse(clock.wallIso()) });
    this.pid = envoyPid() ?? saved?.envoyPid ?? null;
    if (saved && saved.envoyPid !== null && this.pid !== saved.envoyPid) this.open.endAll(nowMs);
    const take = (text: string) => {
      const line = readLogLine(text);
      if (line) this.open.take(line, clock.nowMs());
    };
    const from = saved && (saved.log ?? LOG_START);
    this.log = new ClientLogFile({ path, from, take, reopen });
  }

  /** Envoy's log since the life before: with the others' claims known, so that those made now are newer. */
  private catchUp(): void {
    if (this.isStopped) return;
    for (let i = 0; i < READS_AT_START_MAX && !this.isLogRead; i++) this.readLog();
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  /** Has the file a rule whose clients are remembered? */
  get isUsed(): boolean {
    return this.table.rules().length > 0;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.settle();
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
    await this.saved.settled();
    if (this.isUsed && this.log) {
      this.readLog();
      await this.save();
    }
    this.log?.close();
  }

  /** Who is kept by a view that is about to be written. */
  async keptFor(inForce: InForce): Promise<KeptClients> {
    await this.known;
    this.inForce = inForce;
    this.useFile(inForce.file);
    this.open.look(this.options.clock.nowMs());
    const kept = await this.keeping.keptFor(inForce);
    // A sidecar that is killed goes on with all whom its Envoy's view keeps.
    if (keptCount(kept) > 0) void this.save();
    return kept;
  }

  /** An end that was not logged (a full disk) must not keep clients for ever: Envoy also counts what is open. */
  private noteTraffic(): void {
    const traffic = this.options.traffic();
    if (!traffic || !this.isLogRead || traffic === this.seenTraffic) return;
    this.seenTraffic = traffic;
    for (const { name } of this.table.rules()) {
      const isOpen = (traffic.get(name)?.servedOpenCount ?? 0) > 0;
      const looks = isOpen ? 0 : (this.quietLooks.get(name) ?? 0) + 1;
      this.quietLooks.set(name, looks);
      const nowMs = this.options.clock.nowMs();
      if (looks >= QUIET_LOOKS && this.open.quietMs(name, nowMs) >= QUIET_MS) this.open.endAll(nowMs, name);
    }
  }

  /** The hash of a client's key under a rule; null where its clients are not remembered, or for what is no address. */
  hashOf(name: string, address: string): number | null {
    const rule = this.file?.portRules.find((each) => each.name === name);
    if (!this.file || !rule || this.table.ruleOf(name) === null) return null;
    const { hashSeed, ipv6PrefixLength } = this.file;
    try {
      return this.options.decision.key({ affinity: rule.affinity, address, port: 0, hashSeed, ipv6PrefixLength }).hash;
    } catch {
      return null;
    }
  }

  status(): ReadonlyMap<string, RecentClientsStatus> {
    const nowMs = this.options.clock.nowMs();
    return new Map(
      this.table.rules().map(({ name, stickForMs }) => {
        const count = this.table.recentCount(name, nowMs);
        return [name, { stickForMs, count, keptCount: this.keeping.countOf(name) }];
      }),
    );
  }

  stickyRules(): string[] {
    return this.table.rules().map(({ name }) => name);
  }

  listed(question: ListQuestion): ListedRule[] {
    const keptBy = (rule: string) => this.keeping.hashesOf(rule);
    return listedClients(this.table, keptBy, question, this.options.clock.nowMs());
  }

  /** For nlb explain: of the view that was written last. */
  knowledge(): KeptKnowledge {
    const nowMs = this.options.clock.nowMs();
    const ageOf = (rule: string, hash: number) => {
      const client = this.table.get(rule, hash);
      return client && this.table.ageOf(client, nowMs);
    };
    return { kept: this.keeping.now, ageOf };
  }

  private look(): void {
    const nowMs = this.options.clock.nowMs();
    this.readLog();
    const pid = this.options.envoyPid();
    if (pid !== null && pid !== this.pid) {
      if (this.pid !== null) this.open.endAll(nowMs);
      this.pid = pid;
    }
    if (!this.isUsed) {
      this.options.say('clientsExchange', null);
      return;
    }
    this.noteTraffic();
    if (nowMs - this.prunedMs >= PRUNE_MS) {
      this.prunedMs = nowMs;
      this.table.prune(nowMs);
      this.options.say('clientsFull', fullText(this.table.forgottenCount));
      this.options.say('clientsExchange', this.peers.problem(this.options.heard()));
    }
    this.peers.look();
    void this.keeping.look();
    if (this.saved.isDue(nowMs, this.table.count)) void this.save();
  }

  private readLog(): void {
    try {
      this.isLogRead = this.log?.look() ?? true;
      this.options.say('clientLog', null);
    } catch (error) {
      const text = `Cannot read ${this.options.logPath}: ${systemCode(error)}; who is served here is not remembered`;
      this.options.say('clientLog', text);
    }
  }

  private useFile(file: ClusterFile): void {
    if (this.file === file) return;
    this.file = file;
    this.table.useRules(stickRulesOf(file));
  }

  private takesPart(host: HostName, ruleName: string): boolean {
    const { inForce } = this;
    const index = inForce?.file.portRules.findIndex(({ name }) => name === ruleName) ?? -1;
    return inForce !== null && index >= 0 && hostsTakingPart(inForce, index).some(({ name }) => name === host);
  }

  private save(): Promise<void> {
    const { clock } = this.options;
    const nowMs = clock.nowMs();
    const more = { at: clock.wallIso(), nowMs, envoyPid: this.pid, log: this.log?.place ?? null };
    return this.saved.save(savedOf(this.table, this.open, more), nowMs);
  }
}

/** The recent clients of a sidecar that is being opened: its Envoy is not there yet, nor its channel. */
export function stickOf(sidecar: Sidecar, stateDirectory: string, logPath: string): SidecarStick {
  const { host, clock } = sidecar.options;
  return new SidecarStick({
    self: host.name,
    stateDirectory,
    decision: sidecar.decision,
    clock,
    logPath,
    envoyPid: () => sidecar.envoy.state.pid,
    reopenLogs: () => sidecar.envoy.admin.post('/reopen_logs'),
    traffic: () => sidecar.envoyWatch.traffic,
    others: () => sidecar.file.hosts.map(({ name }) => name).filter((name) => name !== host.name),
    heard: () => sidecar.protocol.hosts.flatMap(({ name, state }) => (state === 'converged' ? [name] : [])),
    say(topic, problem) {
      if (topic !== 'clientsFull') return sidecar.sayProblem(topic, problem);
      sayOwn(sidecar, topic, problem);
    },
    onOthersKept: () => sidecar.envoy.keepOthers(),
  });
}
