/** What stickFor and failback make of a plan's figures, in sentences. Empty where they change nothing. */
import type { PlannedRule } from '../plan/plan.js';
import { stickTimeText } from '../protocol/config/stick-time.js';
import { percent } from './output.js';

export function dampedText({ damped, movedShare, hosts }: PlannedRule): string {
  const { stickForMs, stickyShare, slowly, standby } = damped;
  const said: string[] = [];
  if (stickForMs !== null && movedShare > 0) {
    const recent = `a connection within ${stickTimeText(stickForMs)}`;
    said.push(
      stickyShare === 0
        ? `stickFor keeps none of them, as their host takes no part any more`
        : `of ${stickyShare >= movedShare ? 'these' : `${percent(stickyShare)}, whose host still takes part,`} those with ${recent} stay there (stickFor)`,
    );
  }
  if (slowly !== null) {
    said.push(
      `${slowly.hosts.join(', ')} takes its part in steps over ${stickTimeText(slowly.failbackMs)} (failback: slowly)`,
    );
  }
  if (standby.length > 0) {
    const isPart = hosts.some(({ shareAfter }) => shareAfter !== null && shareAfter > 0);
    if (isPart)
      said.push(`${standby.join(', ')} is on standby and takes none while the others serve (failback: never)`);
  }
  return said.map((sentence) => `; ${sentence}`).join('');
}
