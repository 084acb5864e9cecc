/** What is lawful and probably not meant. A warning never stops a file from coming into force. */
import type { Draft } from './draft.js';
import type { Complaint } from './yaml-text.js';

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
