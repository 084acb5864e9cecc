/** The links by which Envoy knows which of this host's services it is to use; the idea is in protocol/xds/gate.ts. */
import { mkdirSync, readdirSync, readlinkSync, renameSync, symlinkSync, unlinkSync } from 'node:fs';
import { type EnvoyPaths, gatePath } from '../protocol/xds/index.js';
import { EdgeError, systemCode } from './edge-error.js';

export class Gates {
  private rules: readonly string[] = [];
  private closed: ReadonlySet<string> = new Set();

  /** @param adminSocket  absolute; the one socket that is there as long as Envoy is */
  constructor(
    private readonly paths: EnvoyPaths,
    private readonly adminSocket: string,
  ) {}

  /**
   * The rules that there are from now on. Links of others stay, as the connections of a removed rule end with its listener and
   * not before; they are taken away at the next start. BOUNDED: the rules of all files of one run.
   *
   * @throws EdgeError FILE_NOT_WRITTEN
   */
  setRules(rules: readonly string[]): void {
    const isFirst = this.rules.length === 0;
    this.rules = rules;
    this.apply();
    if (isFirst) this.removeOthers();
  }

  /** @throws EdgeError FILE_NOT_WRITTEN; what could be done is done */
  close(rules: ReadonlySet<string>): void {
    this.closed = rules;
    this.apply();
  }

  isClosed(rule: string): boolean {
    return this.closed.has(rule);
  }

  private apply(): void {
    try {
      mkdirSync(this.paths.gates, { recursive: true, mode: 0o700 });
      for (const rule of this.rules) this.set(gatePath(this.paths, rule), !this.closed.has(rule));
    } catch (error) {
      const text = `Cannot tell Envoy which services to use in ${this.paths.gates}: ${systemCode(error)}`;
      throw new EdgeError('FILE_NOT_WRITTEN', text);
    }
  }

  private set(path: string, isOpen: boolean): void {
    const target = linkTarget(path);
    if (!isOpen) {
      if (target !== null) unlinkSync(path);
      return;
    }
    if (target === this.adminSocket) return;
    // Beside and renamed: an open gate is open at every moment.
    const beside = `${path}.new`;
    if (linkTarget(beside) !== null) unlinkSync(beside);
    symlinkSync(this.adminSocket, beside);
    renameSync(beside, path);
  }

  private removeOthers(): void {
    for (const name of readdirSync(this.paths.gates)) {
      if (!this.rules.includes(name)) unlinkSync(`${this.paths.gates}/${name}`);
    }
  }
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
