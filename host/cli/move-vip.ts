/** `nlb move-vip`: another host holds the virtual IPs, mode arp. Says what that does before it does it. */
import type { ClusterStatus } from '../admin/status.js';
import { Call, SIDECAR_OPTIONS, type Verb } from './args.js';
import { command, statusOf } from './client.js';
import { CliError, EXIT } from './exit-codes.js';
import { findSidecar } from './find-sidecar.js';
import { jsonText, wrapped } from './output.js';

export const verb: Verb = {
  usage: 'nlb move-vip --to NAME|N [--dry-run] [--state-dir DIR] [--json]',
  help: `
Mode arp: lets another host hold the virtual IPs, all of them. What it does to
open connections is told first. The holder keeps them until it is gone or stops
taking part, or until failback of the cluster file gives them back.

Exit code 0: it holds them. 3: no sidecar answers. 4: refused, with the reason.`,
  options: {
    to: { type: 'string', value: 'NAME|N', help: 'the host that is to hold them, by name or host priority' },
    'dry-run': { type: 'boolean', help: 'tell what it would do, and leave it' },
    ...SIDECAR_OPTIONS,
  },
  positionals: { min: 0, max: 0 },
  async run(call, terminal) {
    const to = call.text('to');
    if (to === null) throw new CliError(EXIT.usage, 'move-vip needs --to NAME|N: the host that is to hold them');
    const kept = Object.keys(SIDECAR_OPTIONS).filter((name) => name !== 'host' && call.has(name));
    const there = new Call([], { ...Object.fromEntries(kept.map((name) => [name, call.text(name)])), host: to });
    const door = await findSidecar(there, terminal);
    const effect = effectOf(await statusOf(door));
    if (!call.flag('json')) terminal.out(wrapped(effect));
    if (call.flag('dry-run')) {
      if (call.flag('json')) terminal.out(jsonText({ ok: true, effect }));
      return EXIT.yes;
    }
    const answer = await command(door, '/move-vip');
    if (call.flag('json')) terminal.out(jsonText({ ...answer, effect }));
    else if (answer.ok) terminal.out(`${answer.text}\n`);
    else terminal.err(`nlb move-vip: ${answer.text}\n`);
    return answer.ok ? EXIT.yes : EXIT.refused;
  },
};

/** @param status  of the host that is to hold them */
export function effectOf({ virtualIp, thisHost, mode }: ClusterStatus): string {
  if (virtualIp === null || mode !== 'arp') return `In mode ${mode} no host holds the virtual IPs for the others`;
  const addresses = `The virtual IPs ${virtualIp.addresses.join(', ')}`;
  if (virtualIp.isHeldHere) return `${addresses} are on ${thisHost} already`;
  const from = virtualIp.holder ?? 'nobody';
  const { kernelProblem } = virtualIp;
  const connections =
    kernelProblem === null
      ? 'Open connections go on: the kernel of every host passes them on to their owners'
      : `Open connections that came in through ${from} may break: ${kernelProblem}`;
  const source =
    virtualIp.outgoing === 'virtualIp' ? `. Connections that ${from} opened itself with a virtual IP end` : '';
  return `${addresses} move from ${from} to ${thisHost}. ${connections}${source}.`;
}
