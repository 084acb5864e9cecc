/** `nlb run`: opens the sidecar, and keeps it until a signal. What each signal means is in docs/decisions/0007. */
import { loadClusterFile } from './edge/cluster-file.js';
import { type Clock, systemClock } from './edge/clock.js';
import { Keyring } from './edge/keyring.js';
import { createLog, type Log, type LogForm, logLine } from './edge/log.js';
import { createLogWriter } from './edge/log-writer.js';
import { findThisHost, localAddresses } from './edge/this-host.js';
import { findingLine } from './protocol/config/index.js';
import { Sidecar } from './sidecar.js';
import { SidecarApi } from './sidecar-api.js';
import type { SidecarOptions } from './sidecar-options.js';

export interface RunOptions {
  clusterFilePath: string;
  /** A host name or a host priority; null to go by this machine's addresses. */
  host: string | null;
  stateDirectory: string;
  /** Admin socket of an Envoy that somebody else runs, beside which only files are written. */
  existingEnvoyAdmin?: string | null;
  /** Further command line of the Envoy that is started, e.g. `--concurrency 2`. */
  envoyArguments?: readonly string[];
  clock?: Clock;
  log?: Log;
  /** @default text */
  logForm?: LogForm;
  /** Ends the sidecar as SIGTERM does. */
  signal?: AbortSignal;
}

/** As in docs/cli.md: ended as asked, the cluster file has mistakes, it cannot run here, a mistake of ours. */
const EXIT = { yes: 0, no: 1, refused: 4, internal: 70 } as const;

/** Resolves with an exit code once the sidecar has ended. */
export async function runSidecar(options: RunOptions): Promise<number> {
  const clock = options.clock ?? systemClock;
  if (options.log) return run(options, clock, options.log);
  const { logForm = 'text' } = options;
  const writer = createLogWriter(2, (count) => lostLine(logForm, clock.wallIso(), count));
  const code = await run(options, clock, createLog(clock, writer.write, logForm));
  // Who waited for the reader of the log would never end; what it has not read by now it will not read.
  if (!(await writer.end(LOG_END_MAX_MS))) process.kill(process.pid, 'SIGKILL');
  return code;
}

const LOG_END_MAX_MS = 1000;

function lostLine(form: LogForm, time: string, count: number): string {
  const text = `${count} lines of this log were lost: nobody read them`;
  return logLine(form, { time, level: 'error', text, fields: {}, whose: {}, moreCount: 0 });
}

async function run(options: RunOptions, clock: Clock, log: Log): Promise<number> {
  let end: (code: number) => void = () => {};
  const ended = new Promise<number>((resolve) => {
    end = resolve;
  });
  const prepared = prepare(options, clock, log, (error) => {
    log.error(`The protocol broke a promise and ends here, Envoy serves on: ${(error as Error)?.stack ?? error}`);
    end(EXIT.internal);
  });
  if ('mistakes' in prepared) {
    for (const line of prepared.mistakes) log.error(line);
    return prepared.code;
  }
  log.identify(prepared.file.clusterName, prepared.host.name);
  const starting = new AbortController();
  const sidecar = new Sidecar({ ...prepared, whileStarting: starting.signal });
  // Signals are heard before anything is opened.
  const opening = Promise.resolve().then(() => sidecar.open());
  const forget = onSignals(sidecar, opening, log, options.signal, () => {
    starting.abort(new EndedAtStart());
    end(EXIT.yes);
  });
  try {
    await opening;
  } catch (error) {
    forget();
    if (error instanceof EndedAtStart) return EXIT.yes;
    log.error((error as Error).message);
    return EXIT.refused;
  }
  const code = await ended;
  forget();
  await sidecar.close();
  return code;
}

class EndedAtStart extends Error {}

type Prepared = SidecarOptions | { mistakes: readonly string[]; code: number };

/** Everything that can be wrong before anything is opened. */
function prepare(options: RunOptions, clock: Clock, log: Log, onBroken: (error: unknown) => void): Prepared {
  const loaded = loadClusterFile(options.clusterFilePath);
  for (const warning of loaded.warnings) log.warning(findingLine(warning));
  if (!loaded.ok) return { mistakes: loaded.errors.map(findingLine), code: EXIT.no };
  const found = findThisHost(loaded.file, options.host, localAddresses());
  if (!found.ok) return { mistakes: [found.text], code: EXIT.refused };
  try {
    return {
      filePath: options.clusterFilePath,
      file: loaded.file,
      fingerprint: loaded.fingerprint,
      keyring: new Keyring(loaded.keyPath),
      host: found.host,
      stateDirectory: options.stateDirectory,
      existingEnvoyAdmin: options.existingEnvoyAdmin ?? null,
      envoyArguments: options.envoyArguments ?? [],
      clock,
      log,
      onBroken,
    };
  } catch (error) {
    return { mistakes: [(error as Error).message], code: EXIT.refused };
  }
}

/**
 * SIGTERM and SIGINT end the sidecar alone, without a word to the others, so that a restart for an upgrade moves nobody;
 * SIGHUP is `nlb reload`.
 *
 * @returns takes the handlers away again
 */
function onSignals(
  sidecar: Sidecar,
  opening: Promise<void>,
  log: Log,
  signal: AbortSignal | undefined,
  end: () => void,
): () => void {
  let isOpen = false;
  const opened = opening.then(
    () => {
      isOpen = true;
    },
    () => {},
  );
  const stop = () => {
    if (isOpen) log.info('the sidecar ends; Envoy serves on by the last view (nlb stop takes the host out)');
    else log.info('the sidecar ends before it has started; an Envoy of before serves on, none is started');
    end();
  };
  const reload = async () => {
    await opened;
    if (!isOpen) return;
    const { ok, text } = await new SidecarApi(sidecar).verb('reload', new URLSearchParams());
    if (ok) log.info(text);
    else log.error(text);
  };
  const onHangup = () => void reload();
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', onHangup);
  signal?.addEventListener('abort', stop, { once: true });
  return () => {
    process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', onHangup);
    signal?.removeEventListener('abort', stop);
  };
}
