/** `nlb reload`: offer the changed cluster file. */
import { changeVerb } from './change.js';

export const verb = changeVerb({
  name: 'reload',
  help: `
Reads the cluster file again and checks it. This host then offers it, and it
comes into force once every host of the view has the same file; until then the
old one decides. A file with mistakes is refused and changes nothing.`,
  path: () => '/reload',
});
