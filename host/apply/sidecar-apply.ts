/** Config distribution's way to the sidecar it runs in. */
import type { HostChannel } from '../channel/channel.js';
import { sha256 } from '../edge/cluster-file.js';
import type { Decision } from '../edge/decision.js';
import { changed } from '../plan/change.js';
import { type Plan, planOf } from '../plan/plan.js';
import { findingLine, fingerprintOf, parseClusterFile } from '../protocol/config/index.js';
import type { ClusterFile, InForce } from '../protocol/types.js';
import type { Sidecar } from '../sidecar.js';
import { refusePortsTakenFor } from '../taken-ports.js';
import type { ApplyHost } from './apply-host.js';
import { Applying } from './applying.js';
import { FileOnDisk } from './file-on-disk.js';
import type { RevisionStore } from './store.js';

/** Checking a file and its ports takes tens of milliseconds; a busy machine more. */
const ASK_TIMEOUT_MS = 4000;

export function applyingOf(sidecar: Sidecar, channel: HostChannel, store: RevisionStore): Applying {
  const { options } = sidecar;
  const host = applyHost(sidecar, channel, store);
  const disk = new FileOnDisk(options.filePath);
  const applying = new Applying({ host, store, disk, sayProblem: (topic, text) => sidecar.sayProblem(topic, text) });
  channel.on('apply', async ({ url, body }) => {
    const answer = await applying.answer(url.pathname.slice('/apply/'.length), body);
    if (answer === null) return { code: 404, body: { ok: false, text: `nothing at ${url.pathname}` } };
    return { code: 200, body: answer };
  });
  return applying;
}

function applyHost(sidecar: Sidecar, channel: HostChannel, store: RevisionStore): ApplyHost {
  const { host, keyring, log, clock, filePath } = sidecar.options;
  return {
    self: host.name,
    clusterName: sidecar.file.clusterName,
    keys: () => keyring.keys,
    log,
    nowMs: () => clock.nowMs(),
    wallIso: () => clock.wallIso(),
    current() {
      const { inForce, file } = sidecar.protocol;
      return inForce === null ? null : { ...file, file: inForce.file, fingerprint: inForce.view.fingerprint };
    },
    protocol: () => sidecar.protocol,
    textInForce() {
      const { newest } = store;
      return newest?.fingerprint === sidecar.protocol.inForce?.view.fingerprint ? (newest?.text ?? null) : null;
    },
    parse(text) {
      const parsed = parseClusterFile(text, filePath);
      if ('errors' in parsed) throw new Error(parsed.errors.map(findingLine).join('\n'));
      return { file: parsed.file, fingerprint: fingerprintOf(parsed.file, sha256) };
    },
    moves: (file) => movesOf(sidecar.protocol.inForce!, file, sidecar.decision),
    refusePortsTakenFor: (file) => refusePortsTakenFor(sidecar, file),
    envoyRefusal() {
      const { taken, inForceChecksum } = sidecar.protocol;
      return taken || sidecar.givenToEnvoy !== inForceChecksum ? null : sidecar.problems.get('files');
    },
    offer: (offer) => sidecar.loop.post({ kind: 'offer', ...offer }),
    withdraw: (fingerprint) => sidecar.loop.post({ kind: 'withdraw', fingerprint }),
    ask: (name, path, body) => channel.askFor(name, path, body, ASK_TIMEOUT_MS),
  };
}

function movesOf(before: InForce, file: ClusterFile, decision: Decision): Promise<Plan> {
  const after = changed(before, { file, weights: [], drained: [], lost: [] });
  return planOf(before, after, decision, { hasSpreads: false });
}
