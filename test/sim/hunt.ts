/** Run on a planted copy: scenarios first, then random lives, until something is not as promised. Prints JSON. */
import { readdirSync, readFileSync } from 'node:fs';
import { BrokenPromise } from './checkers.js';
import { live } from './life.js';
import { playScenario } from './scenario.js';

export interface Hunted {
  /** The first scenario that plays differently. */
  scenario: string | null;
  /** The first life that breaks a promise. */
  seed: number | null;
  hosts: number | null;
  what: string | null;
}

const SIZES = [2, 3, 3, 4];

function hunt(seedMax: number, both: boolean, only: string): Hunted {
  const scenario = huntScenarios(only);
  if (scenario !== null && !both) return { scenario, seed: null, hosts: null, what: 'plays differently' };
  for (let seed = 1; seed <= seedMax; seed++) {
    const hosts = SIZES[seed % SIZES.length]!;
    try {
      live({ seed, hostCount: hosts, forMs: 28_800 });
    } catch (error) {
      const [line = ''] = (error as Error).message.split('\n');
      const what = error instanceof BrokenPromise ? line.replace(/^at \d+ ms: /, '') : `throws ${line}`;
      return { scenario, seed, hosts, what: what.slice(0, 90) };
    }
  }
  return { scenario, seed: null, hosts: null, what: scenario === null ? null : 'plays differently' };
}

/** @param only  one of them; empty for all */
function huntScenarios(only: string): string | null {
  const folder = new URL('./scenarios/', import.meta.url);
  for (const name of readdirSync(folder).sort()) {
    if (!name.endsWith('.txt') || (only !== '' && name !== only)) continue;
    const text = readFileSync(new URL(name, folder), 'utf8');
    try {
      if (playScenario(text) !== text) return name;
    } catch {
      return name;
    }
  }
  return null;
}

const [, , seedMax, both, only = ''] = process.argv;
console.log(JSON.stringify(hunt(Number(seedMax), both === 'true', only)));
