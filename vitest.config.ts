import { defineConfig } from 'vitest/config';

// Two kinds of suites: `unit` runs in parallel and touches nothing outside; `e2e` runs one file at a time, because real
// Envoys and real clocks share two cores badly.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/{host,filter,sim,model}/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // A bound of a hang as well: vitest's own second is less than a busy machine may take from a process.
          expect: { poll: { timeout: 60_000 } },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/{e2e,netns}/**/*.test.ts'],
          // Bounds of a hang: ten times what the longest takes.
          testTimeout: 300_000,
          hookTimeout: 240_000,
          fileParallelism: false,
          pool: 'forks',
        },
      },
    ],
  },
});
