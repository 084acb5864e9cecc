/**
 * Keeps the kernel's redirect of many ports as the file in force wants it. It follows Envoy: ports are redirected once the
 * listener is there, and not longer than it. Where it cannot be, the reason is a problem of this host, which still serves what
 * others hand off to it.
 *
 * The table outlives the sidecar, as Envoy does. Whoever flushes the ruleset (a firewall that reloads) is noticed.
 */
import { REDIRECT_FAMILY, redirectRuleset, redirectTable } from '../kernel/redirect.js';
import { merged, without } from '../protocol/config/ports.js';
import type { ClusterFile, HostName } from '../protocol/types.js';
import { type Redirect, redirectable, redirects } from '../protocol/xds/index.js';
import { Nft } from './nft.js';

/** A flushed ruleset is back after this long, and a reason that has passed is found out. */
const LOOK_AGAIN_MS = 5000;

export interface PortRedirectOptions {
  self: HostName;
  nowMs(): number;
  /** Null: there is none, or it is mended. */
  onProblem(text: string | null): void;
  nft?: Pick<Nft, 'whyNot' | 'list' | 'run'>;
}

export class PortRedirect {
  private readonly nft: Pick<Nft, 'whyNot' | 'list' | 'run'>;
  private wanted: { table: string; redirects: Redirect[] } | null = null;
  /** The file whose listeners Envoy is known to have. */
  private followed: ClusterFile | null = null;
  private inForce: Redirect[] = [];
  /** Known to have no table. */
  private isClear = false;
  private lookedMs = Number.NEGATIVE_INFINITY;
  /** One change at a time, in the order they were asked for. */
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly options: PortRedirectOptions) {
    this.nft = options.nft ?? new Nft();
  }

  /**
   * Before Envoy is given another file: ports that the redirect's listener can take already go there, so that they are not
   * refused between the end of their own listener and follow().
   */
  prepare(file: ClusterFile): Promise<void> {
    const { self } = this.options;
    return this.inTurn(async () => {
      if (!this.followed || !this.wanted || this.followed === file) return;
      const open = redirectable(this.followed, self);
      const early = redirects(file, self).flatMap((redirect) => commonPart(redirect, open));
      const both = together(this.wanted.redirects, early);
      if (same(both, this.wanted.redirects)) return;
      this.wanted.redirects = both;
      await this.mend();
    });
  }

  /** Envoy has the listeners of `file`. */
  follow(file: ClusterFile): Promise<void> {
    const { self } = this.options;
    this.followed = file;
    return this.inTurn(() => this.want(file, redirects(file, self)));
  }

  /** Envoy did not take the file that was prepared for. */
  takeBack(): Promise<void> {
    return this.followed ? this.follow(this.followed) : Promise.resolve();
  }

  /** This host's Envoy is ended, or the host leaves for good: nothing is taken from other programs any more. */
  remove(file: ClusterFile): Promise<void> {
    this.followed = null;
    return this.inTurn(() => this.want(file, []));
  }

  /** Called often; asks the kernel now and then whether everything is still there. */
  look(): Promise<void> {
    const isDue = this.options.nowMs() - this.lookedMs >= LOOK_AGAIN_MS;
    return this.wanted && this.wanted.redirects.length > 0 && isDue
      ? this.inTurn(() => this.mend())
      : Promise.resolve();
  }

  private want(file: ClusterFile, wanted: Redirect[]): Promise<void> {
    this.wanted = { table: redirectTable(file.clusterName, this.options.self), redirects: wanted };
    return this.mend();
  }

  private async mend(): Promise<void> {
    const { table, redirects: wanted } = this.wanted!;
    this.lookedMs = this.options.nowMs();
    try {
      if (wanted.length === 0) return await this.clear(table);
      const why = await this.nft.whyNot();
      if (why !== null) return this.options.onProblem(`${notCarried(wanted)}: ${why}`);
      const isThere = this.inForce.length > 0 && (await this.nft.list('table', REDIRECT_FAMILY, table)).length > 0;
      if (!isThere || !same(wanted, this.inForce)) await this.put(table, wanted);
      this.options.onProblem(null);
    } catch (error) {
      this.options.onProblem(`${notCarried(wanted)}: ${(error as Error).message}`);
    }
  }

  /** A table may be there from before this sidecar; a host that never redirects needs neither nft nor the right to use it. */
  private async clear(table: string): Promise<void> {
    if (this.isClear) return;
    const isUsable = (await this.nft.whyNot()) === null;
    const isThere = isUsable && (await this.nft.list('table', REDIRECT_FAMILY, table)).length > 0;
    if (isThere || this.inForce.length > 0) await this.put(table, []);
    this.isClear = true;
    this.options.onProblem(null);
  }

  private async put(table: string, next: Redirect[]): Promise<void> {
    await this.nft.run(redirectRuleset(table, next), `the redirect of ports (table ${table})`);
    this.inForce = next;
    this.isClear = false;
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.last.then(work).catch((error: Error) => this.options.onProblem(error.message));
    this.last = turn;
    return turn;
  }
}

/** `Ports 40000-49999 of 10.0.0.100 are not carried: ...`. */
export function notCarried(wanted: readonly Redirect[]): string {
  const which = wanted.map(({ address, ranges }) => `${rangesText(ranges)} of ${address}`).join(' and ');
  return `Ports ${which} are not carried: clients that come to this host for them do not reach the cluster`;
}

function rangesText(ranges: Redirect['ranges']): string {
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(', ');
}

function commonPart(redirect: Redirect, others: readonly Redirect[]): Redirect[] {
  const other = others.find(({ address, toPort }) => address === redirect.address && toPort === redirect.toPort);
  if (!other) return [];
  const ranges = without(redirect.ranges, without(redirect.ranges, other.ranges));
  return ranges.length === 0 ? [] : [{ ...redirect, ranges }];
}

/** One redirect an address, of all ports of both. */
function together(a: readonly Redirect[], b: readonly Redirect[]): Redirect[] {
  const missing = b.filter(({ address }) => !a.some((each) => each.address === address));
  const widened = a.map((redirect) => {
    const more = b.filter(({ address, toPort }) => address === redirect.address && toPort === redirect.toPort);
    return { ...redirect, ranges: merged([redirect, ...more].flatMap(({ ranges }) => ranges)) };
  });
  return [...widened, ...missing];
}

function same(a: readonly Redirect[], b: readonly Redirect[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
