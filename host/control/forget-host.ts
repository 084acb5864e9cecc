/** The verb forget: takes the word of the administrator for it that a lost host is gone for good. */
import type { VerbAnswer } from '../admin/api.js';
import { whyNotForgotten } from '../protocol/protocol.js';
import type { Sidecar } from '../sidecar.js';

export function forgetHost({ loop, options, control, file }: Sidecar, asked: URLSearchParams): VerbAnswer {
  const wanted = asked.get('name') ?? '';
  const host = file.hosts.find(({ name, priority }) => name === wanted || String(priority) === wanted);
  if (host === undefined) {
    const names = file.hosts.map(({ name }) => name).join(', ');
    return { ok: false, text: `There is no host ${wanted} in the cluster, expected one of ${names}` };
  }
  const { name } = host;
  if (loop.state.forgotten.has(name)) return { ok: true, text: `host ${name} is forgotten already` };
  const why = whyNotForgotten(loop.state, options.clock.nowMs(), name);
  if (why !== null) return { ok: false, text: `Cannot forget it: ${why}` };
  loop.post({ kind: 'forget', host: name });
  const text = `host ${name} is forgotten on ${options.host.name} until it is heard again; a file without it takes it out for good`;
  control.say('hostForgotten', text);
  return { ok: true, text };
}
