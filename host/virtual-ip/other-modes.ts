/**
 * The mode is read at the start of a sidecar. What an earlier run of this host, in another mode, has in the kernel is taken
 * out before anything is said or served in the new one: nobody else would do it, and two modes together answer for an address
 * twice.
 *
 *     addresses and groups ──> tables ──> settings       in this order nothing answers that a table has kept silent
 *
 * It may be interrupted anywhere: the next start finds the rest by the tables, by the settings' file, or by the file of that run.
 */
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { mayAdministerNetwork } from '../edge/nft.js';
import { multicastMac } from '../protocol/cluster-mac.js';
import { isOurLabel, partsOfOthers, tableName } from '../kernel/names.js';
import type { ClusterFile } from '../protocol/types.js';
import type { Sidecar } from '../sidecar.js';
import { findLeftovers, type LeftAddress, leftoverLines, type Leftovers, removeLeftovers } from './cleanup.js';
import { SETTINGS_FILE } from './sysctls.js';

interface OtherModes {
  /** The file this host starts with. */
  file: ClusterFile;
  /** In force when this host ran last; null where nobody knows. */
  before: ClusterFile | null;
  stateDirectory: string;
  /** What goes before `nft` and `ip`. @default nothing */
  prefix?: readonly string[];
}

interface Cleared {
  removed: string[];
  /** A sentence of what may be left, with what to do; null where nothing is. */
  problem: string | null;
}

const NOTHING: Cleared = { removed: [], problem: null };

/** Before anything is said or served in the mode of `file`. */
export async function clearBefore(sidecar: Sidecar, file: ClusterFile, before: ClusterFile | null): Promise<void> {
  const { stateDirectory, log } = sidecar.options;
  const { removed, problem } = await clearOtherModes({ file, before, stateDirectory });
  sidecar.sayProblem('modes', problem);
  if (removed.length > 0) log.info(`mode ${file.mode}: what another mode left is removed: ${removed.join(', ')}`);
}

async function clearOtherModes(options: OtherModes): Promise<Cleared> {
  const { file, before, stateDirectory, prefix = [] } = options;
  const wasOther = before !== null && before.mode !== file.mode && before.mode !== 'routed' ? before.mode : null;
  const problem = (why: string): Cleared => ({ removed: [], problem: problemText(wasOther ?? 'another mode', why) });
  if (!mayAdministerNetwork()) return wasOther === null ? NOTHING : problem('this process does not have CAP_NET_ADMIN');
  try {
    const virtualIps = [...new Set([...file.virtualIps, ...(before?.virtualIps ?? [])])];
    const found = await findLeftovers(virtualIps, prefix);
    const isKept = staysOnLoopback(file, before, found);
    const left = ofOtherModes(found, file, virtualIps, isKept);
    const hasSettings = file.mode !== 'arp' && existsSync(join(stateDirectory, SETTINGS_FILE));
    if (left.tables.length === 0 && wasOther === null && !hasSettings && !hasLabelled(file)) return NOTHING;
    // What stays on loopback is not to be answered for on the link.
    const refused = await removeLeftovers(left, isKept || file.mode === 'arp' ? null : stateDirectory, prefix);
    if (refused.length > 0) return problem(refused.join('; '));
    return { removed: leftoverLines(left), problem: null };
  } catch (error) {
    return wasOther === null ? NOTHING : problem((error as Error).message);
  }
}

/** Two clusters may share a machine: only what is this one's. */
function ofOtherModes(found: Leftovers, file: ClusterFile, virtualIps: readonly string[], isKept: boolean): Leftovers {
  const names = new Set(partsOfOthers(file.mode).map((part) => tableName(part, file.clusterName)));
  const groups = new Set(virtualIps.map((address) => multicastMac([address])));
  const isOther = ({ device, address, isSurelyOurs }: LeftAddress) =>
    isSurelyOurs && virtualIps.includes(address) && !(isKept && device === 'lo' && file.virtualIps.includes(address));
  return {
    tables: found.tables.filter(({ name }) => names.has(name)),
    addresses: found.addresses.filter(isOther),
    groups: file.mode === 'multicast' ? [] : found.groups.filter(({ mac }) => groups.has(mac)),
  };
}

/**
 * Mode arp has the virtual IPs on loopback, with settings by which nobody answers for them; routed wants them there. So what
 * is open goes on, and stays through all later starts. Not so after mode multicast, which needs no such settings, nor before
 * mode arp, which brings its own a moment later.
 */
function staysOnLoopback(
  { mode, listenOn, clusterName }: ClusterFile,
  before: ClusterFile | null,
  { tables }: Leftovers,
): boolean {
  const multicast = tableName('multicast', clusterName);
  const wasMulticast = before?.mode === 'multicast' || tables.some(({ name }) => name === multicast);
  return mode === 'routed' && listenOn === 'virtualIp' && !wasMulticast;
}

/** Node.js lists addresses with a label under that. In the other modes they are the mode's own. */
function hasLabelled({ mode }: ClusterFile): boolean {
  return mode === 'routed' && Object.keys(networkInterfaces()).some(isOurLabel);
}

function problemText(mode: string, why: string): string {
  return `What mode ${mode} left in the kernel of this host may still be there: ${why}; stop the sidecar, run nlb cleanup as root, start it again`;
}
