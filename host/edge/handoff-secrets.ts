/**
 * The two files from which Envoy reads its handoff certificate and whom it accepts (protocol/xds/handoff-tls.ts). A new
 * one is in force for new connections within milliseconds; open connections, listeners and clusters are not touched.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  discoveryResponse,
  type HandoffIdentity,
  type HandoffSecrets,
  SECRET_NAMES,
  type SecretKind,
  secretsOf,
  STAT,
} from '../protocol/xds/index.js';
import type { EnvoyAdmin } from './envoy-admin.js';
import { replaceFile } from './files.js';
import { shortHash } from './hash.js';
import { textAt } from './text-at.js';

const KINDS: readonly SecretKind[] = ['accepted', 'certificate'];
/** Envoy reads a file within milliseconds; beyond this it does not. */
const TAKEN_MAX_MS = 4000;
const ASK_EVERY_MS = 10;
const STATS_FILTER = '^sds\\.nlb_handoff_(certificate|accepted)\\.(version_text|update_rejected)$';

export class HandoffSecretFiles {
  constructor(
    private readonly paths: HandoffSecrets,
    private readonly admin: EnvoyAdmin,
  ) {}

  /** Writes what is not there yet. To be called before anything names the files. @throws EdgeError DISK_FULL and others */
  async write(identity: HandoffIdentity): Promise<void> {
    const secrets = secretsOf(identity);
    for (const kind of KINDS) {
      const version = versionOf(identity, kind);
      const text = `${JSON.stringify(discoveryResponse([secrets[kind]], version))}\n`;
      if (textAt(this.paths[kind]) !== text) await replaceFile(this.paths[kind], text);
    }
  }

  /**
   * Resolves when the running Envoy has `identity` in force.
   *
   * @throws Error with what it has instead
   */
  async taken(identity: HandoffIdentity): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += ASK_EVERY_MS) {
      const stats = await this.admin.stats(STATS_FILTER);
      const late = KINDS.find(
        (kind) => stats.get(STAT.secretVersion(SECRET_NAMES[kind])) !== versionOf(identity, kind),
      );
      if (late === undefined) return;
      const name = SECRET_NAMES[late];
      if (waitedMs >= TAKEN_MAX_MS) {
        const why = reasonOf(stats.get(STAT.secretVersion(name)), Number(stats.get(STAT.secretRejected(name)) ?? 0));
        throw new Error(`Envoy did not take ${this.paths[late]} within ${TAKEN_MAX_MS / 1000} s: ${why}`);
      }
      await sleep(ASK_EVERY_MS);
    }
  }
}

/** Of the certificate the private key is left out: a version is shown to whoever may read Envoy's stats. */
function versionOf({ certificatePem, publicKeyHashesBase64 }: HandoffIdentity, kind: SecretKind): string {
  return shortHash(kind === 'certificate' ? certificatePem : publicKeyHashesBase64.join(' '));
}

function reasonOf(version: number | string | undefined, refusedCount: number): string {
  if (refusedCount > 0) return `it refused ${refusedCount} so far, see its log`;
  if (version !== undefined) return `it has version ${version}`;
  return 'its stats do not tell: it was started by an earlier release (nlb drainstop, nlb start), or it is one of yours that leaves out sds.*';
}
