/** What the schema of the cluster file (schema.ts) needs of its checker: our formats, and how it is made. */
import { isHostAddress, parseAddress } from './address.js';
import { parsePortRange } from './ports.js';
import { isServiceTemplate } from './service-address.js';
import { parseFailback, parseStickTime } from './stick-time.js';

export const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'ip-address': (text) => {
    const address = parseAddress(text);
    return address !== null && isHostAddress(address);
  },
  'port-range': (text) => parsePortRange(text) !== null,
  'service-address': isServiceTemplate,
  'stick-time': (text) => parseStickTime(text) !== null,
  'rule-failback': (text) => parseFailback(text) !== null,
};

export const EXPECTED_KEYWORD = 'x-expected';

export const AJV_OPTIONS = {
  allErrors: true,
  verbose: true,
  allowUnionTypes: true,
  // Checked by a test and not at each start: the schema of schemas took more than half of what a start cost.
  meta: false,
  validateSchema: false,
  code: { optimize: false },
} as const;
