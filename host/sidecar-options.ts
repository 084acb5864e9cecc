/** What a sidecar is opened with. */
import type { Clock } from './edge/clock.js';
import type { Keyring } from './edge/keyring.js';
import type { Log } from './edge/log.js';
import type { ClusterFile, Fingerprint, HostConfig } from './protocol/types.js';

export interface SidecarOptions {
  /** As it was given, for messages and `nlb reload`. */
  filePath: string;
  file: ClusterFile;
  fingerprint: Fingerprint;
  keyring: Keyring;
  host: HostConfig;
  stateDirectory: string;
  existingEnvoyAdmin: string | null;
  envoyArguments: readonly string[];
  clock: Clock;
  log: Log;
  /** The protocol broke a promise: nothing more is decided here, Envoy serves on. */
  onBroken(error: unknown): void;
  /** Aborted where the sidecar is to end before it has started; its reason is thrown by open(). */
  whileStarting?: AbortSignal;
}
