/** What enable, disable and drain have in common: which port rules, of which virtual IP. */
import type { Call, Option, Verb } from './args.js';
import { changeVerb } from './change.js';
import { durationArgument } from './time.js';

/** @param timeoutHelp  where it takes a time, what is done after it */
export function changeRuleVerb(name: 'enable' | 'disable' | 'drain', help: string, timeoutHelp?: string): Verb {
  return changeVerb({
    name,
    argument: 'PORT|all',
    help: `${help.trim()}\n\nIt means every rule that holds PORT; with --vip the one for that virtual IP.\n`,
    options: { vip: VIP_OPTION, ...(timeoutHelp === undefined ? {} : { timeout: timeoutOption(timeoutHelp) }) },
    path: (call) => {
      const timeoutMs = timeoutHelp === undefined ? null : durationArgument('timeout', call.text('timeout'));
      return `/${name}?${portQuery(call)}${timeoutMs === null ? '' : `&timeoutMs=${timeoutMs}`}`;
    },
  });
}

const timeoutOption = (help: string): Option => ({ type: 'string', value: 'TIME', help });

export const VIP_OPTION = {
  type: 'string',
  value: 'ADDRESS|all',
  help: 'the rule for this virtual IP; all: rules of all virtual IPs alone',
} as const;

export function portQuery(call: Call): string {
  const query = new URLSearchParams({ port: call.positionals[0] ?? '' });
  const vip = call.text('vip');
  if (vip !== null) query.set('vip', vip);
  return query.toString();
}
