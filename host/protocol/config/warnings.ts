/** What is lawful and probably not meant. A warning never stops a file from coming into force. */
import type { Draft, RuleDraft } from './draft.js';
import { redirectedDrafts, redirectPortOf } from './drafted.js';
import { LISTENERS_MAX } from './defaults.js';
import { STANDING_IN_RULES_MAX } from '../rule-code.js';
import { covers, type PortRange, portsOf, rangeText } from './ports.js';
import type { Complaint } from './yaml-text.js';

const NEEDS_NFT = 'the kernel redirects them, which needs nft and CAP_NET_ADMIN on every host';

export function warningComplaints(draft: Draft): Complaint[] {
  const complaints: Complaint[] = [];
  if (draft.hosts.length === 1) {
    const expected = 'at least two hosts';
    complaints.push({ path: ['hosts'], expected, says: 'names one host: nobody takes over when it is lost' });
  }
  if (draft.listenOn === 'dedicatedIp' && draft.virtualIps.length > 0) {
    const expected = 'no virtualIps with listenOn dedicatedIp';
    const says = 'has no effect: with listenOn dedicatedIp rules listen on the address of each host only';
    complaints.push({ path: ['virtualIps'], expected, says });
  }
  if (draft.otherPorts === 'defaultHost') {
    const says =
      'is defaultHost: whatever listens on the default host for all addresses can be reached through the virtual IPs, ' +
      `and sees that host as its client; ${NEEDS_NFT}`;
    complaints.push({ path: ['otherPorts'], expected: 'entryHost', says });
  }
  complaints.push(...redirectedRules(draft), ...neverWithoutSeats(draft));
  for (const rule of draft.rules) {
    const priorities = rule.handlingPriorities;
    if (priorities === null || rule.filteringMode !== 'single') continue;
    const left = draft.hosts.flatMap(({ name }) => (name === undefined || name in priorities ? [] : [name]));
    if (left.length === 0) continue;
    const expected = 'a handling priority for each host that may take over';
    const says = `does not name ${left.join(', ')}: never served there, even when the others are lost`;
    complaints.push({ path: [...rule.path, 'handlingPriority'], expected, says });
  }
  return complaints;
}

/** Who writes never expects that no client moves twice; without seats a host on standby that comes in moves also those of others (0022). */
function neverWithoutSeats({ rules }: Draft): Complaint[] {
  if (rules.length <= STANDING_IN_RULES_MAX) return [];
  const isKeyed = ({ affinity }: RuleDraft) => affinity === 'single' || affinity === 'classC';
  const moving = rules.filter((rule) => {
    return (
      rule.failback === 'never' && rule.filteringMode === 'multiple' && isKeyed(rule) && !rule.written.has('stickFor')
    );
  });
  const says =
    `is never in a file of ${rules.length} port rules: with more than ${STANDING_IN_RULES_MAX} a host on standby takes its part of all clients ` +
    'when another one leaves, also of hosts that stay; with stickFor beside it those seen lately stay where they are';
  const expected = `at most ${STANDING_IN_RULES_MAX} port rules, or stickFor beside failback never`;
  return moving.map(({ path }) => ({ path: [...path, 'failback'], expected, says }));
}

function redirectedRules(draft: Draft): Complaint[] {
  return [...redirectedDrafts(draft)].flatMap((rule) => {
    const [range, path] = [rule.range!, [...rule.path, 'ports']];
    const is = `is ${rangeText(range)}, ${portsOf(range)} ports`;
    const left = ownPortsIn(draft, range);
    const leftOut = left.length === 0 ? '' : `; ${left.join(', ')} are left out, which are ports of this file`;
    const expected = `at most ${LISTENERS_MAX} ports and addresses in all, which need no right`;
    const complaints = [{ path, expected, says: `${is}, beyond ${LISTENERS_MAX} listeners: ${NEEDS_NFT}${leftOut}` }];
    if (draft.listenOn === 'dedicatedIp') {
      const says = `${is} on the dedicated address of each host: it takes what the host itself has there (ssh, for one)`;
      complaints.push({ path, expected: 'the ports of the service alone', says });
    }
    return complaints;
  });
}

/** They belong to the sidecar and its Envoy whatever the address. */
function ownPortsIn(draft: Draft, range: PortRange): number[] {
  const { handoff, channel, page } = draft.ports;
  const remote = draft.remoteControl === null ? [] : [draft.remoteControl.port];
  const own = [handoff, channel, page, redirectPortOf(draft), ...remote];
  return own.filter((port) => covers(range, port)).sort((a, b) => a - b);
}
