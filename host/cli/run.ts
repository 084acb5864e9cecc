/** `nlb run`: the sidecar of this host, in the foreground; a service manager keeps it. */
import { DEFAULT_CLUSTER_FILE } from '../edge/cluster-file.js';
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import { DEFAULT_STATE_DIRECTORY, stateDirectoryOf } from './find-sidecar.js';

/** What the loop is started with. */
export interface RunOptions {
  clusterFilePath: string;
  /** A host name or a host priority; null to go by this machine's addresses. */
  host: string | null;
  stateDirectory: string;
}

interface Loop {
  /** Resolves with an exit code once the sidecar has ended. */
  runSidecar(options: RunOptions): Promise<number>;
}

export const verb: Verb = {
  usage: 'nlb run [--config FILE] [--host NAME|N] [--state-dir DIR]',
  help: `
Runs the sidecar of this host: heartbeats, the view, Envoy and the page. It stays
in the foreground and logs to standard error. SIGTERM and Ctrl-C leave the
cluster in order; SIGKILL leaves Envoy serving with the last view.

Exit code 0: ended as asked. 1: the cluster file has mistakes. 4: it cannot run
here, and says why (a port is taken, no Envoy, the key can be read by others).`,
  options: {
    config: { type: 'string', value: 'FILE', help: `the cluster file (${DEFAULT_CLUSTER_FILE})` },
    host: { type: 'string', value: 'NAME|N', help: 'which host this is, where several dedicated addresses are here' },
    'state-dir': {
      ...SIDECAR_OPTIONS['state-dir']!,
      help: `what it keeps (NLB_STATE_DIR; ${DEFAULT_STATE_DIRECTORY})`,
    },
  },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    // A name in a variable: the loop is compiled and shipped beside this, and loaded by no other verb.
    const path = '../run.js';
    const { runSidecar } = (await import(path)) as Loop;
    return runSidecar({
      clusterFilePath: call.text('config') ?? DEFAULT_CLUSTER_FILE,
      host: call.text('host'),
      stateDirectory: stateDirectoryOf(call, terminal),
    });
  },
};
