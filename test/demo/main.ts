/**
 * `npm start`: a cluster of three hosts on this machine, to look at (`--check`: to prove by itself, exit code 0 or 1).
 * Whatever happens, everything that was started is ended.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { allServe, Check } from './check.js';
import { Hosts, writeFiles } from './hosts.js';
import { type Layout, layoutOf, logFile, PORT_BASE_SPAN } from './layout.js';
import { runLive } from './live.js';
import { releaseLock, takeLock } from './lock.js';
import { takenPorts } from './ports.js';
import { endParts, findParts } from './processes.js';
import { Watcher } from './status.js';

const USAGE = `usage: npm start -- [--check] [--port-base N]

  --check         prove it unattended: 300 messages, a killed SMTP server, a killed host; exits 0 or 1 within a minute
  --port-base N   use the ports N to N+${PORT_BASE_SPAN - 1} of 127.0.1.1-3 in place of 2525, 2526 and 7620-7622
`;
const CHECK_MAX_MS = 58_000;
const START_MAX_MS = 30_000;
const LOG_LINES = 15;

const say = (text: string) => void process.stdout.write(`${text}\n`);

function fail(text: string, code = 1): never {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

function readArguments(): { check: boolean; portBase: number | null } {
  try {
    const { values } = parseArgs({
      options: { check: { type: 'boolean' }, 'port-base': { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      process.exit(0);
    }
    const base = values['port-base'];
    const portBase = base === undefined ? null : Number(base);
    const last = 65535 - PORT_BASE_SPAN + 1;
    if (portBase !== null && !(Number.isInteger(portBase) && portBase >= 1024 && portBase <= last)) {
      fail(`--port-base is ${base}, expected 1024-${last}`, 64);
    }
    return { check: values.check ?? false, portBase };
  } catch (error) {
    return fail(`${(error as Error).message}\n\n${USAGE}`, 64);
  }
}

async function clearLeftovers(layout: Layout): Promise<void> {
  const left = findParts(layout);
  if (left.length === 0) return;
  say(`ending what an earlier demo left behind: ${left.map((p) => `${p.kind} of ${p.host} (${p.pid})`).join(', ')}`);
  const stuck = await endParts(layout);
  if (stuck.length > 0) fail(`Cannot end ${stuck.map((p) => `process ${p.pid}`).join(', ')}, expected them to be gone`);
}

async function refuseTakenPorts(layout: Layout): Promise<void> {
  const taken = await takenPorts(layout);
  if (taken.length === 0) return;
  releaseLock(layout.directory);
  fail(`${taken.join('\n')}\nChoose other ports, e.g.: npm start -- --port-base 20000`);
}

/** The end of each log, where a start did not succeed. */
function logTails(layout: Layout): string {
  const files = layout.hosts.flatMap((host) => [logFile(host, 'sidecar'), logFile(host, 'smtp')]);
  return files
    .map((file) => {
      const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LOG_LINES);
      return `--- ${relative(process.cwd(), file)}\n${lines.join('\n')}`;
    })
    .join('\n');
}

async function runCheck(layout: Layout, hosts: Hosts): Promise<number> {
  const startedMs = performance.now();
  const watcher = new Watcher(layout.hosts);
  const tooLong = new Promise<boolean>((resolve) => {
    setTimeout(() => {
      say(`FAIL  the check was not over after ${CHECK_MAX_MS / 1000} s`);
      resolve(false);
    }, CHECK_MAX_MS).unref();
  });
  const isGood = await Promise.race([new Check(layout, hosts, watcher, say).run(), tooLong]);
  await watcher.stop();
  const took = ((performance.now() - startedMs) / 1000).toFixed(1);
  say(
    isGood ? `All kept, in ${took} s.` : `Not all kept. Mail, logs and Envoy's files are left in ${layout.directory}`,
  );
  return isGood ? 0 : 1;
}

/** A host that ended while it was starting ends the wait: the table then shows the others. */
async function waitForStart(layout: Layout, hosts: Hosts): Promise<void> {
  const watcher = new Watcher(layout.hosts);
  const names = layout.hosts.map((host) => host.name);
  const took = await watcher.until(names, START_MAX_MS, allServe, () => hosts.ended.length > 0);
  await watcher.stop();
  if (took !== null) return;
  say(`Not all hosts serve yet. ${hosts.ended.join('\n')}\nThe ends of their logs:\n${logTails(layout)}`);
}

async function main(): Promise<void> {
  const { check, portBase } = readArguments();
  const layout = layoutOf(portBase);
  const other = takeLock(layout.directory, portBase);
  if (other !== null)
    fail(`A demo runs already (process ${other.pid}); end it with Ctrl-C there, or: kill ${other.pid}`);
  let ending: Promise<void> | null = null;
  let isOver = false;

  const end = (code: number): Promise<void> => {
    isOver = true;
    ending ??= (async () => {
      if (!check) say('ending all hosts ...');
      const stuck = await endParts(layout);
      for (const part of stuck) say(`process ${part.pid} (${part.kind} of ${part.host}) does not end`);
      releaseLock(layout.directory);
      process.exit(stuck.length > 0 ? 1 : code);
    })();
    return ending;
  };
  // npm passes Ctrl-C on, so it may come twice.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(check ? 1 : 0));
  process.stdout.on('error', () => void end(1));
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack}\n`);
    void end(1);
  });

  await clearLeftovers(layout);
  await refuseTakenPorts(layout);
  say('starting three hosts: an Envoy, a sidecar and an SMTP server each ...');
  writeFiles(layout);
  const hosts = new Hosts(layout);
  for (const host of layout.hosts) hosts.start(host);
  if (check) return end(await runCheck(layout, hosts));
  await waitForStart(layout, hosts);
  if (!isOver) await runLive(layout, hosts, () => isOver);
}

await main();
