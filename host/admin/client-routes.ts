/** Who was served not long ago, and who is kept for that: what Get-NlbClusterDriverInfo lists as extended affinity. */
import type { ListedRule, ListQuestion } from '../stick/listed.js';
import { no, type Route } from './route.js';

export interface ClientLists {
  /** Names of the rules whose clients are remembered. */
  stickyRules(): string[];
  listed(question: ListQuestion): ListedRule[];
}

export function clientRoutes(lists: ClientLists): Route[] {
  return [
    {
      method: 'GET',
      path: '/clients',
      role: 'read',
      summary:
        'The recent clients of rules with stickFor, as this host knows them; at most 1,000, those seen last first.',
      query: [
        { name: 'rule', help: 'the name of a port rule; left out, all' },
        { name: 'kept', help: 'true for those alone who stay at a host that is not their owner', isFlag: true },
      ],
      replies: { 200: 'ListedRule[]' },
      isForAnyHost: true,
      handle({ url }) {
        const rule = url.searchParams.get('rule');
        const rules = lists.stickyRules();
        if (rule !== null && !rules.includes(rule)) {
          const expected = rules.length > 0 ? `expected one of ${rules.join(', ')}` : 'no rule has stickFor';
          return { code: 400, body: no(`rule is ${rule}, ${expected}`) };
        }
        return { code: 200, body: lists.listed({ rule, isKeptOnly: url.searchParams.get('kept') === 'true' }) };
      },
    },
  ];
}
