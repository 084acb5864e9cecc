/** A cluster of three machines of network namespaces, each with Envoy, sidecar and service, and the hands to hurt it. */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterStatus } from '../../host/admin/status.js';
import { seesOwners } from '../e2e/harness/sees-owners.js';
import { waitFor } from '../e2e/harness/wait.js';
import { type Cluster, type ClusterHost, startCluster } from '../netns/cluster.js';
import { nft } from '../netns/network.js';
import { program } from './load.js';
import type { Sample } from './records.js';

export type Part = 'envoy' | 'sidecar' | 'service';
export const PARTS: readonly Part[] = ['envoy', 'sidecar', 'service'];

const START_LIMIT_MS = 60_000;
/** What n3 has for its state: room for the filter twice and for logs, and quickly filled. */
const DISK_MIB = 16;

export interface Lab {
  cluster: Cluster;
  host(name: string): ClusterHost;
  /** Sends a signal to parts of a host; what has ended already is passed over. */
  signal(name: string, parts: readonly Part[], signal: NodeJS.Signals): void;
  startService(name: string): void;
  /** Drops what `rule` matches in the switch, e.g. `iifname "n3" drop`; null ends that. */
  drop(rule: string | null): void;
  fillDisk(name: string): void;
  freeDisk(name: string): void;
  sample(name: string): Promise<Sample | null>;
  /** Waits until all hosts are in one view and each Envoy has found the Envoys of all others well. */
  ready(): Promise<void>;
  remove(): void;
}

function mountDisk(stateDir: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m,mode=0700`, 'nlb-faults', stateDir]);
}

export function sampleOf(asked: string, status: ClusterStatus): Sample {
  const { view, lostSince, envoy, rules } = status;
  const isSettled = view !== null && lostSince.length === 0 && envoy.tookConfiguration;
  const takers = rules[0]?.hosts.filter(({ takesPart }) => takesPart).map(({ host }) => host) ?? [];
  const identity = `${view?.number} ${view?.checksum}${isSettled ? '' : '*'}`;
  return { atMs: Date.now(), asked, view: identity, isTaken: envoy.tookConfiguration, takers: takers.sort() };
}

/** The hands of one lab; `services` is what it has started so far. */
class LabOfThree implements Lab {
  private readonly services = new Map<string, ChildProcess>();

  constructor(readonly cluster: Cluster) {
    process.once('exit', this.remove);
  }

  host(name: string): ClusterHost {
    const found = this.cluster.hosts.find((host) => host.name === name);
    if (!found) throw new Error(`there is no host ${name} in the lab`);
    return found;
  }

  private pid(name: string, part: Part): number | null {
    if (part === 'service') return this.services.get(name)?.pid ?? null;
    const { sidecar, envoyPid } = this.host(name);
    return (part === 'sidecar' ? sidecar.pid : envoyPid) ?? null;
  }

  signal(name: string, parts: readonly Part[], signal: NodeJS.Signals): void {
    for (const part of parts) {
      const pid = this.pid(name, part);
      try {
        if (pid !== null) process.kill(pid, signal);
      } catch {
        // ended already
      }
    }
  }

  startService(name: string): void {
    const host = this.host(name);
    const log = openSync(`${host.logPath}.service`, 'a');
    this.services.set(
      name,
      this.cluster.network.spawn(host, process.execPath, [program('service-process.js'), name], log),
    );
    closeSync(log);
  }

  drop(rule: string | null): void {
    const sw = this.cluster.network.client.namespace.replace(/-cl$/, '-sw');
    nft(sw, 'add table bridge fault\ndelete table bridge fault\n');
    if (rule === null) return;
    nft(sw, `table bridge fault {\nchain forward { type filter hook forward priority 0; ${rule}\n }\n}\n`);
  }

  fillDisk(name: string): void {
    const filler = join(this.host(name).stateDir, 'filler');
    try {
      writeFileSync(filler, Buffer.alloc(DISK_MIB << 20));
    } catch (error) {
      // What did fit stays, and nothing is left: as it was wanted.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      return;
    }
    throw new Error(`${DISK_MIB} MiB fitted into ${filler}, expected a disk with less room`);
  }

  freeDisk(name: string): void {
    rmSync(join(this.host(name).stateDir, 'filler'));
  }

  async sample(name: string): Promise<Sample | null> {
    const status = await this.cluster.status(this.host(name));
    return status && sampleOf(name, status);
  }

  async ready(): Promise<void> {
    const { hosts } = this.cluster;
    await waitFor(
      'all hosts in one view, and their Envoys seeing each other',
      async () => {
        const samples = await Promise.all(hosts.map(({ name }) => this.sample(name)));
        const isOne = new Set(samples.map((sample) => sample?.view)).size === 1 && !samples[0]?.view.endsWith('*');
        if (!isOne || samples.some((sample) => sample?.takers.length !== hosts.length)) return false;
        return (await Promise.all(hosts.map(({ stateDir }) => seesOwners(stateDir)))).every(Boolean);
      },
      START_LIMIT_MS,
    );
  }

  /** Also where the run is interrupted: a disk that stays mounted would outlive it. */
  readonly remove = (): void => {
    process.off('exit', this.remove);
    for (const { stateDir } of this.cluster.hosts) {
      try {
        execFileSync('umount', ['-l', stateDir], { stdio: 'pipe' });
      } catch {
        // has no disk of its own
      }
    }
    this.cluster.remove();
  };
}

/** @param smallDisk  the host whose state directory shall be a small disk of its own; null for none */
export function startLab(smallDisk: string | null): Lab {
  const cluster = startCluster({
    hostCount: 3,
    heartbeatPeriodMs: 1000,
    missedHeartbeatsMax: 5,
    isFavoured: true,
    serviceCheck: "{kind: banner, expect: '220'}",
    sidecarArguments: ['--envoy-args=--concurrency 1 --drain-time-s 1'],
    prepare: ({ name }, stateDir) => {
      if (name === smallDisk) mountDisk(stateDir);
    },
  });
  const lab = new LabOfThree(cluster);
  for (const { name } of cluster.hosts) lab.startService(name);
  return lab;
}
