/**
 * The faults, each as what is done, how it is undone, and what it excuses. n3 is the host that is hurt; n1 and n2 should
 * hardly notice. What a fault does not excuse counts against the cluster.
 */
import type { WantedView } from './judge.js';
import { type Lab, PARTS, type Part } from './lab.js';

export interface Fault {
  /** One line for the table's reader. */
  what: string;
  inject(lab: Lab): void | Promise<void>;
  heal(lab: Lab): void | Promise<void>;
  /** Entry hosts no client can reach while it lasts; DNS clients and routers go elsewhere. */
  closedEntries: string[];
  /** What the hosts that hear each other should agree on while it lasts. */
  views: WantedView[];
  isDoomed(entry: string, host: string): boolean;
  mayMove(owner: string, entry: string): boolean;
  smallDisk?: string;
}

const ALL = ['n1', 'n2', 'n3'];
const LIVING = ['n1', 'n2'];
const never = () => false;
const isHurt = (name: string) => name === 'n3';
const nothing = () => undefined;

/** Everything goes on as if nothing had been: no view without n3, nobody moved, nothing lost. */
const unnoticed = { closedEntries: [], isDoomed: never, mayMove: never };
/** What entered at n3 or was served there is lost; its clients move. */
const wholeHost = {
  closedEntries: ['n3'],
  views: [{ asked: LIVING, takers: LIVING }],
  isDoomed: (entry: string, host: string) => isHurt(entry) || isHurt(host),
  mayMove: isHurt,
};
/** n3 goes on as an entry host; only what its service does is lost. */
const serviceOnly = {
  closedEntries: [],
  views: [{ asked: ALL, takers: LIVING }],
  isDoomed: (_entry: string, host: string) => isHurt(host),
  mayMove: isHurt,
};
/** n3 serves by itself what enters there, the others do without it: whatever crossed the cut is lost or moves. */
const apart = {
  closedEntries: [],
  views: [
    { asked: LIVING, takers: LIVING },
    { asked: ['n3'], takers: ['n3'] },
  ],
  isDoomed: (entry: string, host: string) => isHurt(entry) !== isHurt(host),
  mayMove: (owner: string, entry: string) => isHurt(owner) !== isHurt(entry),
};

const send = (parts: readonly Part[], signal: NodeJS.Signals) => (lab: Lab) => lab.signal('n3', parts, signal);

export const FAULTS: Record<string, Fault> = {
  envoy_kill: {
    ...wholeHost,
    what: 'SIGKILL of the Envoy of n3; its sidecar starts it again',
    views: [{ asked: ALL, takers: ALL }],
    inject: send(['envoy'], 'SIGKILL'),
    heal: nothing,
  },
  envoy_stop: {
    ...wholeHost,
    what: 'SIGSTOP of the Envoy of n3',
    inject: send(['envoy'], 'SIGSTOP'),
    heal: send(['envoy'], 'SIGCONT'),
  },
  sidecar_kill: {
    ...unnoticed,
    what: 'SIGKILL of the sidecar of n3, later started again',
    views: [{ asked: LIVING, takers: ALL }],
    inject: send(['sidecar'], 'SIGKILL'),
    heal: (lab) => lab.cluster.runSidecar(lab.host('n3')),
  },
  sidecar_stop: {
    ...unnoticed,
    what: 'SIGSTOP of the sidecar of n3',
    views: [{ asked: LIVING, takers: ALL }],
    inject: send(['sidecar'], 'SIGSTOP'),
    heal: send(['sidecar'], 'SIGCONT'),
  },
  service_kill: {
    ...serviceOnly,
    what: 'SIGKILL of the service of n3, later started again',
    inject: send(['service'], 'SIGKILL'),
    heal: (lab) => lab.startService('n3'),
  },
  service_stop: {
    ...serviceOnly,
    what: 'SIGSTOP of the service of n3',
    inject: send(['service'], 'SIGSTOP'),
    heal: send(['service'], 'SIGCONT'),
  },
  host_kill: {
    ...wholeHost,
    what: 'SIGKILL of Envoy, sidecar and service of n3',
    // The sidecar first: it would start its Envoy again.
    inject: send(['sidecar', 'envoy', 'service'], 'SIGKILL'),
    heal: (lab) => {
      lab.startService('n3');
      lab.cluster.runSidecar(lab.host('n3'));
    },
  },
  host_stop: {
    ...wholeHost,
    what: 'SIGSTOP of Envoy, sidecar and service of n3',
    inject: send(PARTS, 'SIGSTOP'),
    heal: send(PARTS, 'SIGCONT'),
  },
  host_silent: {
    ...wholeHost,
    what: 'the link of n3 goes down: no packet, no refusal',
    inject: (lab) => lab.cluster.network.setLink(lab.host('n3'), false),
    heal: (lab) => lab.cluster.network.setLink(lab.host('n3'), true),
  },
  disk_full: {
    ...unnoticed,
    what: 'the disk under the state directory of n3 is full',
    views: [{ asked: ALL, takers: ALL }],
    smallDisk: 'n3',
    inject: (lab) => lab.fillDisk('n3'),
    heal: (lab) => lab.freeDisk('n3'),
  },
  disk_full_new_view: {
    ...unnoticed,
    what: 'the same, and meanwhile n2 is drained: the others need a new view',
    views: [{ asked: ['n1'], takers: ['n1', 'n3'] }],
    mayMove: (owner) => owner === 'n2',
    smallDisk: 'n3',
    inject: async (lab) => {
      lab.fillDisk('n3');
      await lab.cluster.post(lab.host('n2'), 'drainstop');
    },
    heal: async (lab) => {
      lab.freeDisk('n3');
      await lab.cluster.post(lab.host('n2'), 'start');
    },
  },
  heartbeat_loss: {
    ...unnoticed,
    what: '30 % of all heartbeats and probes of all hosts are lost',
    views: [{ asked: ALL, takers: ALL }],
    inject: (lab) => lab.drop('udp dport 7620 numgen random mod 100 < 30 drop'),
    heal: (lab) => lab.drop(null),
  },
  one_way: {
    ...apart,
    what: 'packets from n3 to the other hosts are lost, those to it are not; clients reach all three',
    inject: (lab) => lab.drop('iifname "n3" oifname { "n1", "n2" } drop'),
    heal: (lab) => lab.drop(null),
  },
  partition: {
    ...apart,
    what: 'nothing passes between n3 and the other hosts; clients reach all three',
    inject: (lab) => lab.drop('iifname "n3" oifname { "n1", "n2" } drop; iifname { "n1", "n2" } oifname "n3" drop'),
    heal: (lab) => lab.drop(null),
  },
};
