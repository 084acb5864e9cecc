import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { FAULTS } from './faults.js';
import { Plantation } from './planted.js';

// A short form of `npm run sim -- --planted`: that every fault still has its place, and a few of them found.
const QUICK = [
  'hosts do not pass rows on',
  'an old sequence is taken',
  'the lost stay in what is in force',
  'a wrong seal is taken',
  'nobody is waited for',
  'a new owner waits for nobody',
];
const plantation = new Plantation(fileURLToPath(new URL('../../', import.meta.url)));
afterAll(() => plantation.remove());

test('every rule has a planted fault, and every fault its place in the protocol', () => {
  for (const fault of FAULTS) expect(plantation.planted(fault).text, fault.what).not.toBe('');
  const rules = new Set(FAULTS.map((fault) => fault.rule));
  for (let i = 1; i <= 13; i++) expect(rules).toContain(`R${i}`);
});

for (const fault of FAULTS.filter((fault) => QUICK.includes(fault.what))) {
  test(`${fault.rule}: "${fault.what}" is found`, async () => {
    const found = await plantation.hunt(fault, { seedMax: 100, both: false });
    expect(found.scenario ?? found.seed, JSON.stringify(found)).not.toBeNull();
  });
}

for (const fault of FAULTS.filter((fault) => fault.scenario !== undefined)) {
  const { rule, what, scenario } = fault;
  test(`${rule}: "${what}" is found by the scenario ${scenario}`, async () => {
    const found = await plantation.hunt(fault, { seedMax: 0, both: false, scenario: scenario! });
    expect(found.scenario).toBe(scenario);
  });
}

test('the sources as they are play all scenarios and keep their promises', async () => {
  const nothing = { rule: 'none', what: 'nothing', search: 'VIEW_GAP_MS = 200', replace: 'VIEW_GAP_MS = 200' };
  expect((await plantation.hunt(nothing, { seedMax: 10, both: true })).what).toBeNull();
});
