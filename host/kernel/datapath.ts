/**
 * What the sidecar knows of the kernel's part, whichever mode it is: `KernelHandoff` (mode arp) and its like in mode multicast.
 * None of these throws for what the kernel refuses; `problem()` has it as a sentence, and the proxy handoff does the work.
 */
import type { InForce } from '../protocol/types.js';

export interface KernelDatapath {
  /** Takes over what an earlier run of this sidecar left in the kernel, or begins anew. */
  open(): Promise<void>;
  /**
   * Decides new connections by this from now on; made off the event loop, the newest wins. Resolves when it is in force in the
   * kernel or was overtaken by a newer one.
   */
  decideBy(inForce: InForce, checksum: string): Promise<void>;
  /** Renews the lease without which the kernel decides nothing new. To be called at each tick; costs something only when due. */
  renew(): void;
  /** Leaves nothing in the kernel. */
  close(): Promise<void>;
  /** Ends without a word to the kernel, for a sidecar that is restarted: open connections go on, the lease runs out. */
  leave(): void;
  /** Why the kernel does not do its part, and who does instead; null where it does. */
  problem(): string | null;
}

export interface KernelDatapathOptions {
  clusterName: string;
  /** Name of this host. */
  self: string;
  /** Where packets of clients come in, as `eth0`. */
  device: string;
  /** How long the kernel goes on deciding new connections when the sidecar does not renew. */
  leaseMs: number;
  /** False while the others have another file, even another mode: what their kernels do is not known then. @default always true */
  isFileShared?(): boolean;
  /** `problem()` is another one now. */
  onProblem(problem: string | null): void;
  /** What goes before `nft`, `ip` and `ss`, for tests in a namespace. @default nothing */
  prefix?: readonly string[];
}

/** Mode arp. */
export interface HandoffDatapath extends KernelDatapath {
  /** This host holds the virtual IP from now on, or does not any more. */
  setHolder(isHolder: boolean): Promise<void>;
}
