// as-pect reads this first, and its tests cannot read files: so here the vectors become an AssemblyScript module.
import { makeVectorsModule } from './test/assembly/make-vectors.mjs';

await makeVectorsModule();

export default {
  entries: ['test/assembly/**/*.spec.ts'],
  include: ['test/assembly/**/*.include.ts'],
  disclude: [/node_modules/],
  async instantiate(memory, createImports, instantiate, binary) {
    return instantiate(binary, createImports({ env: { memory } }));
  },
  outputBinary: false,
};
