/** `nlb run`: the sidecar of this host, in the foreground; a service manager keeps it. */
import { DEFAULT_CLUSTER_FILE } from '../edge/cluster-file.js';
import { SIDECAR_OPTIONS, type Verb } from './args.js';
import { CliError, EXIT } from './exit-codes.js';
import { DEFAULT_STATE_DIRECTORY, stateDirectoryOf } from './find-sidecar.js';

const STATE_HELP = `what it keeps between runs (NLB_STATE_DIR; ${DEFAULT_STATE_DIRECTORY})`;

export const verb: Verb = {
  usage: 'nlb run [--config FILE] [--host NAME|N] [--state-dir DIR]',
  help: `
Runs the sidecar of this host: heartbeats, the view, Envoy and the page. It stays
in the foreground and logs to standard error. When it ends, by whichever signal,
Envoy serves on with the last view and the next run finds it again; nlb stop
takes the host out. SIGHUP is nlb reload.

Exit code 0: ended by SIGTERM or Ctrl-C. 1: the cluster file has mistakes. 4: it
cannot run here, and says why (a port is taken, no Envoy, others can read the key).`,
  options: {
    config: { type: 'string', value: 'FILE', help: `the cluster file (${DEFAULT_CLUSTER_FILE})` },
    host: { type: 'string', value: 'NAME|N', help: 'which host this is, where several dedicated addresses are here' },
    'state-dir': { ...SIDECAR_OPTIONS['state-dir']!, help: STATE_HELP },
    'existing-envoy': {
      type: 'string',
      value: 'SOCKET',
      help: 'admin socket of an Envoy to work beside, not starting one',
    },
    log: { type: 'string', value: 'text|json', help: 'the form of the log; text unless given' },
    'envoy-args': {
      type: 'string',
      value: 'ARGS',
      help: "further arguments of the Envoy it starts: '--concurrency 2'",
    },
  },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const logForm = call.text('log') ?? 'text';
    if (logForm !== 'text' && logForm !== 'json') {
      throw new CliError(EXIT.usage, `--log is ${logForm}, expected text or json`);
    }
    const { runSidecar } = await import('../run.js');
    return runSidecar({
      clusterFilePath: call.text('config') ?? DEFAULT_CLUSTER_FILE,
      host: call.text('host'),
      stateDirectory: stateDirectoryOf(call, terminal),
      logForm,
      existingEnvoyAdmin: call.text('existing-envoy'),
      envoyArguments: (call.text('envoy-args') ?? '').split(/\s+/).filter((word) => word !== ''),
    });
  },
};
