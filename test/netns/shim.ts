/** A program that sidecars find before the machine's own of the same name, as a shell script around it. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Shim {
  /** Holds the script, and files by which it is told what to do. */
  directory: string;
  /** Put before the sidecar's command. */
  prefix: string[];
  remove(): void;
}

/** @param script  makes the script of the path of the machine's own program, and the directory */
export function shimOf(name: string, script: (program: string, directory: string) => string): Shim {
  const directory = mkdtempSync(join(tmpdir(), `nlb-${name}-`));
  const program = execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  writeFileSync(join(directory, name), script(program, directory));
  chmodSync(join(directory, name), 0o755);
  return {
    directory,
    prefix: ['env', `PATH=${directory}:${process.env.PATH}`],
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
