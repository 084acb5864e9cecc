import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { playScenario } from './scenario.js';

// UPDATE_SCENARIOS=1 rewrites what is seen; commit that only when the change is understood.
const folder = new URL('./scenarios/', import.meta.url);
for (const name of readdirSync(folder).sort()) {
  if (!name.endsWith('.txt')) continue;
  test(`scenario ${name} plays as written`, () => {
    const text = readFileSync(new URL(name, folder), 'utf8');
    const played = playScenario(text);
    if (process.env.UPDATE_SCENARIOS === '1') writeFileSync(new URL(name, folder), played);
    else expect(played).toBe(text);
  });
}
