/** The verbs. Each is loaded only when it is asked for, so that `nlb query` answers at once. */
import type { Verb } from './args.js';

interface Entry {
  summary: string;
  load(): Promise<{ verb: Verb }>;
}

export const VERBS: Readonly<Record<string, Entry>> = {
  init: { summary: 'make a cluster file and a cluster key', load: () => import('./init.js') },
  import: { summary: 'make a cluster file from what Windows NLB prints', load: () => import('./import.js') },
  check: { summary: 'check a cluster file and its key', load: () => import('./check.js') },
  run: { summary: 'run the sidecar of this host', load: () => import('./run.js') },
  query: { summary: 'is this host converged, and with whom', load: () => import('./query.js') },
  display: { summary: 'hosts, rules, shares, Envoy and problems', load: () => import('./display.js') },
  explain: { summary: 'which host takes a client, and why', load: () => import('./explain.js') },
  clients: { summary: 'who was served not long ago, and where', load: () => import('./clients.js') },
  plan: { summary: 'what a change would move', load: () => import('./plan.js') },
  history: { summary: 'which views were in force, and why', load: () => import('./history.js') },
  apply: { summary: 'bring a changed cluster file to all hosts', load: () => import('./apply.js') },
  rollback: { summary: 'bring an earlier cluster file back', load: () => import('./rollback.js') },
  confirm: { summary: 'keep what apply --confirm brought', load: () => import('./confirm.js') },
  revisions: { summary: 'the cluster files that were in force', load: () => import('./revisions.js') },
  key: { summary: 'the cluster key: list, rotate', load: () => import('./key.js') },
  token: { summary: 'who may use remote control: add, list, remove', load: () => import('./token.js') },
  doctor: { summary: 'what is wrong in the cluster, and what to do', load: () => import('./doctor.js') },
  watch: { summary: 'the cluster live in this terminal', load: () => import('./watch.js') },
  'move-vip': { summary: 'another host holds the virtual IPs', load: () => import('./move-vip.js') },
  cleanup: { summary: 'take what a dead sidecar left out of the kernel', load: () => import('./cleanup.js') },
  ip2mac: { summary: 'the MAC addresses of a virtual IP', load: () => import('./ip2mac.js') },
  reload: { summary: 'offer a changed cluster file', load: () => import('./reload.js') },
  start: { summary: 'take part again', load: () => import('./start.js') },
  stop: { summary: 'leave the cluster at once', load: () => import('./stop.js') },
  suspend: { summary: 'stop, and take no verb but resume', load: () => import('./suspend.js') },
  resume: { summary: 'take verbs again after suspend', load: () => import('./resume.js') },
  enable: { summary: 'take connections of a port rule again', load: () => import('./enable.js') },
  disable: { summary: 'end the connections of a port rule here', load: () => import('./disable.js') },
  drain: { summary: 'no new connections of a port rule here', load: () => import('./drain.js') },
  queryport: { summary: 'a port rule, its state and counts here', load: () => import('./queryport.js') },
  params: { summary: 'the values in force, with the names of NLB', load: () => import('./params.js') },
  forget: { summary: 'miss a lost host no more', load: () => import('./forget.js') },
  drainstop: { summary: 'finish open connections, then stop', load: () => import('./drainstop.js') },
};

export function overview(): string {
  const lines = Object.entries(VERBS).map(([name, { summary }]) => `  ${name.padEnd(11)}${summary}`);
  return `Usage: nlb VERB [options]\n\n${lines.join('\n')}\n\nnlb VERB --help tells more; docs/cli.md has the exit codes.\n`;
}
