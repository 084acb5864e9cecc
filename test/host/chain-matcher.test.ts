/** The matchers of the handoff's and the redirect's listeners, asked as Envoy would: do they find the rule that the filter finds? */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterFile, PortRule } from '../../host/protocol/types.js';
import { envoyPaths, isRedirected, listeners, NO_RULE, redirects } from '../../host/protocol/xds/index.js';
import { clusterFile } from '../e2e/harness/cluster.js';

// biome-ignore lint/suspicious/noExplicitAny: Envoy's configuration as it comes, taken apart by its own field names
type Json = Record<string, any>;
type Asked = Record<'DirectSourceIPInput' | 'DestinationIPInput' | 'DestinationPortInput', string>;

const VIPS = ['10.0.0.100', '10.0.0.101', 'fd00::100'];
const paths = envoyPaths('/var/lib/envoy-nlb');

/** Name of the chain, or null where no matcher has one. */
function chainFor(matcher: Json, asked: Asked): string | null {
  const found = matcher.matcher_tree ? inTree(matcher.matcher_tree, asked) : inList(matcher.matcher_list, asked);
  const next: Json | undefined = found ?? matcher.on_no_match;
  if (next === undefined) return null;
  return next.action ? next.action.name : chainFor(next.matcher, asked);
}

const inTree = (tree: Json, asked: Asked): Json | undefined =>
  tree.exact_match_map.map[asked[tree.input.name as keyof Asked]];
const inList = (list: Json, asked: Asked): Json | undefined =>
  list.matchers.find((each: Json) => holds(each.predicate, asked))?.on_match;

function holds(predicate: Json, asked: Asked): boolean {
  if (predicate.or_matcher) return predicate.or_matcher.predicate.some((each: Json) => holds(each, asked));
  if (predicate.and_matcher) return predicate.and_matcher.predicate.every((each: Json) => holds(each, asked));
  const { input, value_match: match } = predicate.single_predicate;
  const value = asked[input.name as keyof Asked];
  return match.safe_regex ? new RegExp(`^(?:${match.safe_regex.regex})$`).test(value) : match.exact === value;
}

/** rule.ts of the filter, written again. */
function ruleFor({ portRules }: ClusterFile, address: string, port: number): PortRule | undefined {
  const covering = portRules.filter((rule) => rule.portFirst <= port && port <= rule.portLast);
  return covering.find((rule) => rule.virtualIp === address) ?? covering.find((rule) => rule.virtualIp === null);
}

/** Lawful rules: those of one virtual IP, and those of all, do not share ports among themselves. */
const someFile = fc
  .record({
    rules: fc.array(
      fc.record({
        virtualIp: fc.constantFrom(null, null, ...VIPS),
        first: fc.integer({ min: 1, max: 9000 }),
        width: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3000 })),
        isOff: fc.boolean(),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    otherPorts: fc.boolean(),
  })
  .map(({ rules, otherPorts }): ClusterFile => {
    const made: Partial<PortRule>[] = [];
    for (const [index, { virtualIp, first, width, isOff }] of rules.entries()) {
      const rule = { name: `r${index}`, virtualIp, portFirst: first, portLast: first + width };
      const meets = made.some(
        (other) => other.virtualIp === virtualIp && other.portFirst! <= rule.portLast && first <= other.portLast!,
      );
      if (!meets) made.push({ ...rule, ...(isOff ? { filteringMode: 'disabled', service: null } : {}) });
    }
    const file: ClusterFile = { ...clusterFile('10.0.0', 2, made), listenOn: 'virtualIp', virtualIps: VIPS };
    return otherPorts ? { ...file, otherPorts: 'defaultHost' } : file;
  });

const OWN_PORTS = [7620, 7621, 7622, 7624];
/** Where rules begin and end, and one port in no rule's neighbourhood. */
const portsOfInterest = ({ portRules }: ClusterFile): number[] =>
  [...portRules.flatMap(({ portFirst, portLast }) => [portFirst - 1, portFirst, portLast, portLast + 1]), 60000].filter(
    (port) => port > 0 && !OWN_PORTS.includes(port),
  );

describe('a connection to any port of a virtual IP', () => {
  it('gets the chain of the rule that the filter finds, handed off or redirected, or a listener of its own', () => {
    fc.assert(
      fc.property(someFile, (file) => {
        const all = listeners(file, 'mail1', paths) as Json[];
        const handoff = all.find(({ name }) => name === 'nlb.handoff')!;
        const to = redirects(file, 'mail1');
        for (const address of VIPS) {
          for (const port of portsOfInterest(file)) {
            const rule = ruleFor(file, address, port);
            const isServed = rule !== undefined && rule.filteringMode !== 'disabled';
            const asked = {
              DirectSourceIPInput: '10.0.0.2',
              DestinationIPInput: address,
              DestinationPortInput: `${port}`,
            };
            const what = `${address}:${port}`;

            const handedOff = chainFor(handoff.filter_chain_matcher, asked);
            if (isServed) expect(handedOff, what).toBe(`nlb.handoff.${rule.name}`);
            if (!rule)
              expect(handedOff, what).toBe(file.otherPorts ? `nlb.handoff.${NO_RULE}` : expectClosed(handedOff));

            const listening = all
              .filter(({ name }) => String(name).endsWith(`.${address}.${port}`))
              .map(({ name }) => name);
            const isRedirectedHere = to.some(
              (each) => each.address === address && each.ranges.some((r) => r.first <= port && port <= r.last),
            );
            if (isServed) expect(listening.length + Number(isRedirectedHere), what).toBe(1);
            else expect(listening, what).toEqual([]);
            if (isServed && !isRedirectedHere) expect(listening).toEqual([`nlb.rule.${rule.name}.${address}.${port}`]);
            if (!isRedirectedHere) continue;
            const redirect = all.find(({ name }) => name === `nlb.redirect.${address}`)!;
            const chain = chainFor(redirect.filter_chain_matcher, asked);
            if (isServed) expect([chain, isRedirected(file, rule)], what).toEqual([`nlb_rule.${rule.name}`, true]);
            if (!rule) expect(chain, what).toBe(`nlb_rule.${NO_RULE}`);
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});

/** Null and the name of a chain that is never made are both no chain. */
function expectClosed(chain: string | null): string | null {
  expect([null, 'nlb.none']).toContain(chain);
  return chain;
}
