/** One simulated machine: a sidecar that may run, its disk, its Envoy and its clock. */
import type { DurableState, ProtocolEvent } from '../../host/protocol/events.js';
import type { ProtocolState } from '../../host/protocol/protocol.js';
import { OWN_VERSIONS, type Versions } from '../../host/protocol/seal.js';
import type { ClusterFile, OwnSettings } from '../../host/protocol/types.js';
import type { KeyIds } from './files.js';
import { newKernel, type SimKernel } from './kernel.js';

export interface KnownFile {
  file: ClusterFile;
  fingerprint: string;
}

/** A file that the cluster distributes, with its number. */
export interface SimRevision extends KnownFile {
  revision: number;
  /** Hosts that are left behind. */
  without: readonly string[];
}

export interface SimHost {
  /** Of the file; twins share it. */
  name: string;
  address: string;
  /** Null while its sidecar does not run. */
  state: ProtocolState | null;
  disk: DurableState;
  /** The cluster file as it lies there. */
  onDisk: KnownFile;
  /** What is brought here, kept beside the file until it is in force or taken back (apply.ts). */
  brought: SimRevision | null;
  /** In which of its lives it asks another host for a revision that it missed. */
  fetchesInLife: number | null;
  settings: OwnSettings;
  envoyAlive: boolean;
  kernel: SimKernel;
  /** Its milliseconds per true millisecond. */
  clockRate: number;
  stalledUntil: number;
  /** Events that came while it stood still; bounded as a socket buffer is. */
  waiting: ProtocolEvent[];
  /** Counts starts and ends, so that what was meant for an earlier life is dropped. */
  life: number;
  startedAt: number;
  nextTickAt: number;
  /** One that its machine wants before that; Infinity for none. */
  soonerTickAt: number;
  /** The sidecar dies after so many more effects: between disk and wire. */
  crashAfter: number | null;
  /** Hosts with another one are of another cluster. */
  key: number;
  /** Which of the keys under that name its key file holds: it changes with a rotation. */
  keyIds: KeyIds;
  /** What its release speaks; an upgraded host one version more than the others. */
  versions: Versions;
  notices: string[];
  /** Packets of this host are taken to come from there. */
  claimsAddress: string | null;
}

export function newHost(name: string, address: string, onDisk: KnownFile, disk: DurableState): SimHost {
  const rules = onDisk.file.portRules.map(() => ({ control: 'enabled' as const, serviceUp: true }));
  return {
    name,
    address,
    state: null,
    disk,
    onDisk,
    brought: null,
    fetchesInLife: null,
    settings: { hostState: 'started', rules },
    envoyAlive: false,
    kernel: newKernel(),
    clockRate: 1,
    stalledUntil: 0,
    waiting: [],
    life: 0,
    startedAt: 0,
    nextTickAt: 0,
    soonerTickAt: Number.POSITIVE_INFINITY,
    crashAfter: null,
    key: 1,
    keyIds: { sealing: 1, valid: [1] },
    versions: OWN_VERSIONS,
    notices: [],
    claimsAddress: null,
  };
}
