/** What the schema of the cluster file (schema.ts) needs of its checker: our formats, and how it is made. */
import type { Ajv2020 } from 'ajv/dist/2020.js';
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

/** Of what is in the schema and not in JSON Schema itself. */
export function teach(ajv: Pick<Ajv2020, 'addKeyword' | 'addFormat'>): void {
  ajv.addKeyword('x-expected');
  for (const [name, isLawful] of Object.entries(FORMATS)) ajv.addFormat(name, isLawful);
}

export const AJV_OPTIONS = {
  allErrors: true,
  verbose: true,
  allowUnionTypes: true,
  // Checked by a test and not at each start: the schema of schemas took more than half of what a start cost.
  meta: false,
  validateSchema: false,
  code: { optimize: false },
} as const;
