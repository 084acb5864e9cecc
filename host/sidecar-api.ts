/** What the admin doors offer of a running sidecar: its status, and the verbs that change this host. */
import type { AdminApi, EntryAnswer, ExplainQuestion, Verb, VerbAnswer } from './admin/api.js';
import { buildStatus } from './admin/build-status.js';
import { BY_HAND, readAtStart } from './apply/fit.js';
import { type Explanation, explain } from './admin/explain.js';
import type { ClusterStatus } from './admin/status.js';
import { drainStatus } from './control/drain-status.js';
import { DRAIN_MAX_MS, HostControl, timeoutOf } from './control/host-control.js';
import { forgetHost } from './control/forget-host.js';
import { lookAtTraffic } from './control/look-at-traffic.js';
import { controlRules } from './control/rule-control.js';
import type { HostFacts } from './doctor/facts.js';
import { examine } from './examine.js';
import type { HistoryEntry } from './history/entry.js';
import { loadClusterFile } from './edge/cluster-file.js';
import { findingLine } from './protocol/config/index.js';
import type { InForce } from './protocol/types.js';
import type { Sidecar } from './sidecar.js';
import { refusePortsTakenFor } from './taken-ports.js';

export class SidecarApi implements AdminApi {
  constructor(private readonly sidecar: Sidecar) {}

  status(): ClusterStatus {
    const { sidecar } = this;
    const { host, filePath, clock } = sidecar.options;
    const [nowMs, nowWallMs] = [clock.nowMs(), Date.parse(clock.wallIso())];
    const wallIsoOf = (ms: number) => new Date(nowWallMs - (nowMs - ms)).toISOString();
    return buildStatus({
      self: host.name,
      file: sidecar.file,
      filePath,
      protocol: sidecar.protocol,
      envoy: sidecar.envoy.isExisting ? { ...sidecar.envoy.state, state: 'notOurs' } : sidecar.envoy.state,
      traffic: sidecar.envoyWatch.traffic ?? new Map(),
      shares: sidecar.shares.byRule,
      serviceFailures: sidecar.services.failures(),
      virtualIp: sidecar.linkMode?.status() ?? sidecar.multicast?.status() ?? null,
      recentClients: sidecar.stick.status(),
      ownProblems: sidecar.problems.list(),
      startedAt: sidecar.startedAt,
      drain: drainStatus(sidecar, nowMs, wallIsoOf),
      ruleDrainEndMs: (rule) => sidecar.takingPart.ruleDrainEndMs(rule),
      wallIsoOf,
    });
  }

  /** For DNS health checks and routers: yes where this host takes new connections and knows whom they belong to. */
  entry(): EntryAnswer {
    const { sidecar } = this;
    const { inForce } = sidecar.protocol;
    const { hostState } = sidecar.takingPart;
    if (hostState !== 'started') return { isIn: false, reason: `this host is ${hostState}` };
    if (sidecar.envoy.state.state !== 'serving') return { isIn: false, reason: 'its Envoy does not serve' };
    if (!inForce) return { isIn: false, reason: 'it has no view yet' };
    const isIn = inForce.view.hosts.some(({ name }) => name === sidecar.options.host.name);
    return isIn ? { isIn: true, reason: 'in' } : { isIn: false, reason: `it is not in view ${inForce.view.number}` };
  }

  inForce(): InForce | null {
    return this.sidecar.protocol.inForce;
  }

  async examination(): Promise<HostFacts> {
    const { file, options, history } = this.sidecar;
    // The clock is read first: what it is compared with was read when this was asked.
    const at = options.clock.wallIso();
    return examine(options.host, file, this.status(), at, await history.virtualIps());
  }

  history(since: string | null): Promise<HistoryEntry[]> {
    return this.sidecar.history.list(since);
  }

  async explain(question: ExplainQuestion): Promise<Explanation> {
    const { protocol, options, decision, history } = this.sidecar;
    if (question.at != null) {
      const { inForce, since } = await history.inForceAt(question.at);
      return { ...explain(inForce, options.host.name, decision, question), past: { at: question.at, since } };
    }
    if (!protocol.inForce)
      throw new Error('Cannot explain: there is no view yet; the hosts are still agreeing on the first');
    return explain(protocol.inForce, options.host.name, decision, question, 'running', this.sidecar.stick.knowledge());
  }

  /** Answers when a restart of the sidecar would know of it, and says where it would not. */
  async verb(verb: Verb, asked: URLSearchParams): Promise<VerbAnswer> {
    const answer = await this.carryOut(verb, asked);
    if (!answer.ok) return answer;
    const { loop, keeper } = this.sidecar;
    await loop.settled();
    const problem = await keeper.saved();
    return problem === null ? answer : { ok: true, text: answer.text + notKeptText(problem) };
  }

  private async carryOut(verb: Verb, asked: URLSearchParams): Promise<VerbAnswer> {
    const { control, options } = this.sidecar;
    const { name } = options.host;
    if (control.state() === 'suspended' && verb !== 'suspend' && verb !== 'resume') {
      const text = `host ${name} is suspended: it takes no verb but resume (nlb resume), which leaves it stopped`;
      control.say('controlRefused', `${text}; nlb ${verb} is refused`);
      return { ok: false, text };
    }
    const hostControl = new HostControl(control);
    switch (verb) {
      case 'start':
        return hostControl.start(asked.get('now') === 'true');
      case 'stop':
        return hostControl.stop();
      case 'drainstop': {
        const timeoutMs = timeoutOf(asked);
        if (timeoutMs !== undefined) return hostControl.drainstop(timeoutMs);
        return wrongTimeout(asked);
      }
      case 'suspend':
        return hostControl.suspend();
      case 'resume':
        return hostControl.resume();
      case 'enable':
      case 'disable':
      case 'drain': {
        const drainForMs = verb === 'drain' ? timeoutOf(asked) : null;
        if (drainForMs === undefined) return wrongTimeout(asked);
        // So that the answer tells how many are open now.
        await lookAtTraffic(this.sidecar);
        return controlRules(control, verb, asked, drainForMs);
      }
      case 'forget':
        return forgetHost(this.sidecar, asked);
      case 'reload':
        return this.reload();
      case 'move-vip':
        return this.sidecar.linkMode?.moveHere() ?? { ok: false, text: 'in mode routed no host holds the virtual IPs' };
    }
  }

  private async reload(): Promise<VerbAnswer> {
    const { options, loop, protocol } = this.sidecar;
    const loaded = loadClusterFile(options.filePath);
    if (!loaded.ok) return { ok: false, text: loaded.errors.map(findingLine).join('\n') };
    const { file, fingerprint } = loaded;
    if (fingerprint === protocol.inForce?.view.fingerprint) {
      loop.post({ kind: 'offer', file, fingerprint });
      return { ok: true, text: `${options.filePath} says what is in force already (${fingerprint})` };
    }
    const current = protocol.inForce?.file;
    const atStart = current === undefined ? null : readAtStart(current, file);
    if (atStart !== null) return { ok: false, text: `${atStart}: ${BY_HAND}` };
    const self = file.hosts.find(({ name }) => name === options.host.name);
    if (!self || self.dedicatedIp !== options.host.dedicatedIp) {
      const text = `${options.filePath} does not list this host as ${options.host.name} at ${options.host.dedicatedIp}; stop it first (nlb stop)`;
      return { ok: false, text };
    }
    try {
      await refusePortsTakenFor(this.sidecar, file);
    } catch (error) {
      return { ok: false, text: (error as Error).message };
    }
    loop.post({ kind: 'offer', file, fingerprint });
    const text = `${options.filePath} (${fingerprint}) is offered; it comes in force when every host of the view has the same file`;
    return { ok: true, text };
  }
}

function notKeptText(problem: string): string {
  return `. This is not on disk, and forgotten should the sidecar end before it is: ${problem}`;
}

function wrongTimeout(asked: URLSearchParams): VerbAnswer {
  return { ok: false, text: `timeoutMs is ${asked.get('timeoutMs')}, expected 1-${DRAIN_MAX_MS} (7 days)` };
}
