/** Which part of the kernel decides new connections in which mode. */
import type { HandoffDatapath, KernelDatapath, KernelDatapathOptions } from '../kernel/datapath.js';
import type { Ranker } from '../kernel/handoff-plan.js';
import { KernelHandoff } from '../kernel/kernel-handoff.js';
import type { Mode } from '../protocol/types.js';

/** Null where there is none for this mode: Envoy does all of it. */
export function createDatapath(mode: Mode, options: KernelDatapathOptions, ranker: Ranker): KernelDatapath | null {
  return mode === 'arp' ? new KernelHandoff(options, ranker) : null;
}

export function isHandoff(datapath: KernelDatapath): datapath is HandoffDatapath {
  return 'setHolder' in datapath;
}
