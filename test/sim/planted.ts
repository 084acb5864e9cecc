/**
 * `npm run sim -- --planted`: does the simulation find what is wrong? Each fault is planted into a copy of the protocol,
 * which then plays the scenarios and lives up to 1,000 random lives until a promise breaks. A fault that stays unseen
 * makes the command fail.
 *
 * The copy is transpiled from the sources, so this runs from a work tree, not from an installation.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import type { Fault } from './faults.js';
import type { Hunted } from './hunt.js';

export interface HuntOptions {
  seedMax: number;
  /** Hunt with random lives even where a scenario has found it. */
  both: boolean;
  /** Play this scenario alone. @default all of them */
  scenario?: string;
}

const FOLDERS = ['host/protocol', 'host/protocol/config', 'test/sim'];

/** The sources as JavaScript, once; each fault then changes one file of a copy. */
export class Plantation {
  readonly #root = mkdtempSync(join(tmpdir(), 'nlb-planted-'));
  #count = 0;

  constructor(readonly repository: string) {
    for (const folder of FOLDERS) {
      mkdirSync(join(this.#root, 'clean', folder), { recursive: true });
      for (const name of sources(join(repository, folder))) {
        const text = readFileSync(join(repository, folder, name), 'utf8');
        writeFileSync(join(this.#root, 'clean', folder, name.replace(/ts$/, 'js')), transpiled(text));
      }
    }
    cpSync(join(repository, 'test/sim/scenarios'), join(this.#root, 'clean/test/sim/scenarios'), { recursive: true });
    writeFileSync(join(this.#root, 'clean/package.json'), '{"type": "module"}');
  }

  /** In a process of its own, while whoever waits for it goes on: a test's runner takes a silent worker for hung. */
  async hunt(fault: Fault, options: HuntOptions): Promise<Hunted> {
    const { name, text } = this.planted(fault);
    this.#count += 1;
    const copy = join(this.#root, String(this.#count));
    cpSync(join(this.#root, 'clean'), copy, { recursive: true });
    writeFileSync(join(copy, 'host/protocol', name.replace(/ts$/, 'js')), transpiled(text));
    const { seedMax, both, scenario = '' } = options;
    const args = [join(copy, 'test/sim/hunt.js'), String(seedMax), String(both), scenario];
    try {
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 900_000 });
      return JSON.parse(stdout) as Hunted;
    } catch (error) {
      throw new Error(`fault ${fault.rule} "${fault.what}" died: ${String(error).slice(0, 600)}`);
    } finally {
      rmSync(copy, { recursive: true });
    }
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  /** Throws where the text to replace is not there exactly once: the list has to follow the protocol. */
  planted(fault: Fault): { name: string; text: string } {
    const folder = join(this.repository, 'host/protocol');
    const hits = sources(folder).flatMap((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      return Array(text.split(fault.search).length - 1).fill({ name, text }) as { name: string; text: string }[];
    });
    if (hits.length !== 1) {
      throw new Error(
        `fault ${fault.rule} "${fault.what}": ${hits.length} places read "${fault.search}", expected one`,
      );
    }
    const [{ name, text }] = hits as [{ name: string; text: string }];
    return { name, text: text.replace(fault.search, () => fault.replace) };
  }
}

function sources(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'));
}

function transpiled(text: string): string {
  const { ES2022 } = ts.ScriptTarget;
  return ts.transpileModule(text, { compilerOptions: { target: ES2022, module: ts.ModuleKind.ESNext } }).outputText;
}

/** @returns how many faults stayed unseen */
export async function huntAll(repository: string, faults: readonly Fault[], options: HuntOptions): Promise<number> {
  const plantation = new Plantation(repository);
  let unseen = 0;
  console.log('| rule | planted fault | scenario | first seed | promise |\n|---|---|---|---|---|');
  try {
    for (const fault of faults) {
      const { scenario, seed, hosts, what } = await plantation.hunt(fault, options);
      if (scenario === null && seed === null) unseen += 1;
      const life = seed === null ? '-' : `${seed} (${hosts} hosts)`;
      console.log(`| ${fault.rule} | ${fault.what} | ${scenario ?? '-'} | ${life} | ${what ?? 'not found'} |`);
    }
  } finally {
    plantation.remove();
  }
  console.log(`${faults.length - unseen} of ${faults.length} found`);
  return unseen;
}
