/**
 * A running sidecar: the protocol's loop and everything outside that it needs, opened in an order that never interrupts
 * what an Envoy of an earlier run still serves. docs/decisions/0007 says what a start, a crash and a stop mean.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { durableAtStart, fileAtStart } from './apply/at-start.js';
import { RevisionStore } from './apply/store.js';
import { AgainAndAgain } from './again-and-again.js';
import { authenticatorOf } from './edge/authenticator.js';
import { type Controlled, controlledBy } from './control/controlled.js';
import { DrainLeft } from './control/drain-left.js';
import { lookAtTraffic } from './control/look-at-traffic.js';
import { isFreshStart, ownPart } from './control/own-part.js';
import { type Decision, loadDecision } from './edge/decision.js';
import { handoffIdentityOf } from './edge/cluster-identity.js';
import { knockAt } from './edge/knock.js';
import { noticeLine } from './event-number.js';
import { openFilesProblem } from './edge/open-files.js';
import { OwnEnvoy } from './edge/own-envoy.js';
import { PortRedirect } from './edge/port-redirect.js';
import { Reserve } from './edge/reserve.js';
import { Services } from './edge/services.js';
import { Shares } from './edge/shares.js';
import { openStateDirectory, type StateDirectory } from './edge/state-directory.js';
import type { UdpSocket } from './edge/udp.js';
import { openHeartbeatSocket } from './heartbeat-socket.js';
import { Doors } from './doors.js';
import { EnvoyWatch } from './envoy-watch.js';
import { Loop } from './loop.js';
import { Problems, sayOwn } from './problems.js';
import type { Effect, ProtocolStatus } from './protocol/events.js';
import { createState, type ProtocolState, statusOf, tickDueMs } from './protocol/protocol.js';
import type { ClusterFile, InForce } from './protocol/types.js';
import { savedState, StateKeeper } from './saved-state.js';
import type { SidecarOptions } from './sidecar-options.js';
import { type SidecarStick, stickOf } from './sidecar-stick.js';
import type { TakingPart } from './taking-part.js';
import { ViewHistory } from './view-history.js';
import type { LinkMode } from './virtual-ip/link-mode.js';
import { claimOf, linkModeOf, stepWith } from './virtual-ip/sidecar-link-mode.js';
import { type MulticastMode, openMode, sayTaken } from './virtual-ip/multicast-mode.js';

/** Envoy is read and this host's own state looked at this often. */
const LOOK_MS = 500;

export class Sidecar {
  readonly problems: Problems;
  readonly startedAt: string;
  readonly envoyWatch: EnvoyWatch;
  /** `inForceChecksum` of what Envoy was given last; the protocol is ahead of it while a view is being saved. */
  givenToEnvoy = '';
  shares!: Shares;
  decision!: Decision;
  services!: Services;
  envoy!: OwnEnvoy;
  takingPart!: TakingPart;
  loop!: Loop<ProtocolState>;
  history!: ViewHistory;
  stick!: SidecarStick;
  readonly control: Controlled;
  readonly left = new DrainLeft();
  private redirect!: PortRedirect;
  linkMode: LinkMode | null = null;
  multicast: MulticastMode | null = null;
  private directory!: StateDirectory;
  keeper!: StateKeeper;
  private reserve!: Reserve;
  private udp!: UdpSocket;
  private revisions!: RevisionStore;
  private doors: Doors | null = null;
  private readonly looking = new AgainAndAgain(this);

  constructor(readonly options: SidecarOptions) {
    this.control = controlledBy(this);
    this.problems = new Problems(() => options.clock.wallIso());
    this.startedAt = options.clock.wallIso();
    this.envoyWatch = new EnvoyWatch(options.clock, () => this.envoy);
  }

  get protocol(): ProtocolStatus {
    return statusOf(this.loop.state, this.options.clock.nowMs());
  }

  /** The file this host decides by: the one in force, or the one on disk before the first view. */
  get file(): ClusterFile {
    return this.protocol.inForce?.file ?? this.options.file;
  }

  /** @throws EdgeError and others with a sentence for the administrator; what was opened is closed again */
  async open(): Promise<void> {
    const { host, stateDirectory, file, log } = this.options;
    const owner = { clusterName: file.clusterName, host: host.name, dedicatedIp: host.dedicatedIp };
    this.directory = await openStateDirectory(stateDirectory, owner);
    try {
      await this.openParts(await loadDecision());
    } catch (error) {
      // Before anything is waited for: a view that came with the first packets would start an Envoy.
      this.envoy?.giveUp();
      await this.close();
      throw error;
    }
    log.info(`host ${host.name} (${host.dedicatedIp}) of cluster ${file.clusterName} runs`);
  }

  /** Ends the sidecar and says nothing to anybody: Envoy serves on by the last view. */
  async close(): Promise<void> {
    this.looking.end();
    // While it can still say so: another host takes the virtual IPs.
    await this.linkMode?.leave();
    await this.loop?.stop();
    this.multicast?.leave();
    this.envoyWatch.stop();
    this.services?.stop();
    // A view that waits for the recent clients would be written without them when they are not waited for any more.
    this.envoy?.giveUp();
    await this.stick?.stop();
    await this.doors?.close();
    await this.envoy?.leave();
    await this.udp?.close();
    await this.history?.close();
    await this.directory.close();
    this.options.log.flush();
  }

  changed(): void {
    this.doors?.changed();
  }

  private async openParts(decision: Decision): Promise<void> {
    const { host, log, clock, fingerprint, whileStarting } = this.options;
    const saved = savedState(this.directory.saved, join(this.directory.path, 'state.json'));
    const durable = durableAtStart(saved.protocol, this.options);
    this.keeper = new StateKeeper(this.directory, saved, (problem) => {
      this.problems.set('state', problem);
      if (problem !== null) this.control.say('stateNotSaved', problem);
    });
    this.history = new ViewHistory(this.directory.path, clock, (topic, problem) => this.sayProblem(topic, problem));
    this.reserve = new Reserve(this.directory.path, clock);
    this.sayProblem('reserve', await this.reserve.look());
    const file = durable.inForce?.file ?? this.options.file;
    this.decision = decision;
    this.revisions = new RevisionStore(this.directory.path);
    const own = await fileAtStart(this.revisions, durable, { file: this.options.file, fingerprint });
    this.shares = new Shares(decision, () => this.changed());
    this.services = new Services(host.name, log, () => this.takingPart?.say());
    this.redirect = new PortRedirect({
      self: host.name,
      nowMs: () => clock.nowMs(),
      onProblem: (text) => this.sayProblem('redirect', text),
    });
    this.envoy = this.createEnvoy(decision);
    this.stick = stickOf(this, this.directory.path, this.envoy.clientLogPath);
    this.takingPart = await ownPart(this, { saved, isNew: this.directory.saved === null }, file, this.keeper);
    this.udp = await openHeartbeatSocket(host, file, log, (arrival) => this.loop?.post(arrival));
    this.services.watch(file);
    this.multicast = await openMode(this, file, saved.protocol.inForce?.file, () => this.keeper.mayConfirm);
    // Neither knows of the other: an adopted Envoy serves while the services are asked for the first time.
    const checked = this.services.firstChecks(whileStarting);
    const [isAdopted] = await Promise.all([this.envoy.open(file, !this.takingPart.isOff), checked]);
    whileStarting?.throwIfAborted();
    this.linkMode = linkModeOf(this, this.directory.path, file);
    const claim = (await this.linkMode?.open()) ?? claimOf(file); // What changes meanwhile is in the settings below.
    whileStarting?.throwIfAborted();
    this.loop = new Loop({
      clock,
      initial: createState({
        ...own,
        self: host.name,
        instance: randomBytes(8).readBigUInt64LE(),
        durable,
        authenticator: authenticatorOf(() => this.options.keyring.keys),
        settings: this.takingPart.settings(),
        isFresh: isFreshStart(saved, isAdopted),
        claim,
        nowMs: clock.nowMs(),
      }),
      step: stepWith(this.linkMode, this.multicast),
      tickDueMs,
      carry: (effect) => this.carry(effect),
      beforeTick: () => this.multicast?.beginRenewal(),
      onBroken: (error) => this.options.onBroken(error),
    });
    this.doors = new Doors(this, this.directory.socketPath, this.revisions);
    await this.doors.open();
    await this.stick.begin(file, isAdopted);
    whileStarting?.throwIfAborted();
    this.loop.start(() => this.file.heartbeat.periodMs / 10);
    this.looking.begin(LOOK_MS);
    this.envoyWatch.watchServices(this.services);
  }

  private carry(effect: Effect): Promise<void> | void {
    this.history.see(effect);
    const letGo = this.multicast?.see(effect);
    switch (effect.kind) {
      case 'send':
        if (this.keeper.mayConfirm) this.udp.send(effect.toAddress, effect.toPort, effect.bytes);
        return;
      case 'persist':
        return this.keeper.keep({ protocol: effect.durable });
      case 'inForce':
        this.decideBy(effect.inForce, effect.checksum);
        return letGo;
      case 'knock':
        return void knockAt(this.options.host.dedicatedIp, effect, (arrival) => this.loop.post(arrival));
      case 'notice':
        this.options.log.repeating(...noticeLine(effect));
        this.changed();
    }
  }

  private decideBy(inForce: InForce, checksum: string): void {
    this.services.watch(inForce.file);
    this.problems.set('files', null);
    this.givenToEnvoy = checksum;
    this.envoy.decideBy(inForce, checksum);
    this.shares.countFor(inForce);
    this.linkMode?.decideBy(inForce, checksum);
    this.changed();
    setImmediate(() => this.lookAtOwnPart()); // The loop is in the midst of a step.
  }

  lookAtOwnPart(): void {
    if (this.looking.isOver) return;
    this.takingPart.look();
    this.doors?.look();
  }

  sayProblem(topic: string, text: string | null): void {
    this.problems.set(topic, text);
    if (text !== null) this.options.log.repeating('error', topic, text);
  }

  private createEnvoy(decision: Decision): OwnEnvoy {
    const { host, keyring, file, clock, log } = this.options;
    return new OwnEnvoy({
      self: host.name,
      stateDir: this.directory.path,
      identity: handoffIdentityOf(keyring.keys, file.clusterName),
      decision,
      clock,
      log,
      existingAdmin: this.options.existingEnvoyAdmin,
      extraArguments: this.options.envoyArguments,
      keptFor: (inForce) => this.stick.keptFor(inForce),
      onState: ({ state, detail }) => {
        this.envoyWatch.noteServing(state === 'serving');
        this.problems.set('envoy', state === 'down' ? detail : null);
        this.changed();
      },
      beforeListeners: (wanted) => this.redirect.prepare(wanted),
      onTaken: (inForce, checksum) => {
        this.problems.set('files', null);
        void (this.envoy.isWanted ? this.redirect.follow(inForce.file) : this.redirect.remove(inForce.file));
        this.stick.keeping.noteTaken();
        void sayTaken(this, inForce, checksum);
      },
      onRefused: (reason) => {
        void this.redirect.takeBack();
        this.problems.set('files', reason);
        log.repeating('error', 'files', reason);
        this.changed();
      },
    });
  }

  async endEnvoy(): Promise<void> {
    if (!this.envoy.isWanted || this.envoy.isExisting) return;
    this.options.log.info('this host is stopped and out of every rule: its Envoy is ended');
    // Asked for in one go: what a start wants meanwhile comes after both.
    void this.redirect.remove(this.file);
    await this.envoy.end();
  }

  async look(): Promise<void> {
    this.options.log.flush();
    this.sayProblem('openFiles', openFilesProblem());
    await this.keeper.saveAgain();
    this.sayProblem('reserve', await this.reserve.look());
    sayOwn(this, 'viewsChangeOften', this.history.frequent());
    await this.envoy.lookAtExisting();
    await this.multicast?.look();
    await this.redirect.look();
    await lookAtTraffic(this);
    this.sayProblem('connectionLog', await this.envoyWatch.boundLog(this.file, this.options.host.name));
    this.lookAtOwnPart();
    const overflow = this.loop.newOverflowText();
    if (overflow !== null) this.options.log.repeating('warning', 'overflow', overflow);
  }
}
