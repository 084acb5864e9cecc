/** `nlb explain`: placeholder while the decision lands. */
import { JSON_OPTION, type Verb } from './args.js';

export const verb: Verb = {
  usage: 'nlb explain CLIENT[:PORT] --port PORT',
  help: '',
  options: { json: JSON_OPTION },
  positionals: { min: 1, max: 1 },
  run: async () => 70,
};
