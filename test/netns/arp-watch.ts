/**
 * Who answers for a virtual IP, asked by a client every few hundredths of a second: each question is one moment, in which at most
 * one host may answer. Answers are counted by the MAC address they come from, in the client's kernel.
 */
import { execFileSync } from 'node:child_process';
import { sleep } from '../e2e/harness/wait.js';
import { type NetworkHost, nft } from './network.js';

export interface ArpWatch {
  /** Names of the hosts that answered, in their order, a name again only after another. */
  answered: string[];
  /** Moments in which two hosts answered, as `n1, n2`. Expected to be empty. */
  doubles: string[];
  /** How often it was asked so far. */
  readonly momentCount: number;
  end(): Promise<void>;
}

const ANSWER_MS = 30;

function run(namespace: string, command: string[], input?: string): string {
  return execFileSync('ip', ['netns', 'exec', namespace, ...command], { encoding: 'utf8', input });
}

export function macOf(host: NetworkHost): string {
  const [link] = JSON.parse(run(host.namespace, ['ip', '-j', 'link', 'show', 'eth0'])) as { address: string }[];
  return link!.address;
}

export function watchArp(client: NetworkHost, hosts: readonly NetworkHost[], address: string): ArpWatch {
  const table = 'nlb_test_watch';
  const counters = hosts.map((host) => `counter ${host.name} {}\n`).join('');
  const rules = hosts.map((host) => `arp saddr ether ${macOf(host)} counter name "${host.name}"\n`);
  const matching = rules.map((rule) => `  arp operation reply arp saddr ip ${address} ${rule}`).join('');
  const chain = `chain input { type filter hook input priority 0;\n${matching} }\n`;
  nft(
    client.namespace,
    `add table arp ${table}\ndelete table arp ${table}\ntable arp ${table} {\n${counters}${chain}}\n`,
  );
  const counts = () => {
    const text = run(client.namespace, ['nft', '-j', 'list', 'counters', 'table', 'arp', table]);
    const { nftables } = JSON.parse(text) as { nftables: { counter?: { name: string; packets: number } }[] };
    return new Map(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets] as const] : [])));
  };
  const watch = { answered: [] as string[], doubles: [] as string[] };
  let isEnding = false;
  let momentCount = 0;
  const ask = `neigh flush to ${address} dev eth0\nneigh replace ${address} dev eth0 use\n`;
  const loop = (async () => {
    while (!isEnding) {
      const before = counts();
      run(client.namespace, ['ip', '-force', '-batch', '-'], ask);
      await sleep(ANSWER_MS);
      const after = counts();
      const names = [...after].filter(([name, count]) => count > (before.get(name) ?? 0)).map(([name]) => name);
      momentCount++;
      if (names.length > 1) watch.doubles.push(names.join(', '));
      if (names.length === 1 && watch.answered.at(-1) !== names[0]) watch.answered.push(names[0]!);
    }
  })();
  return {
    ...watch,
    get momentCount() {
      return momentCount;
    },
    end: async () => {
      isEnding = true;
      await loop;
      nft(client.namespace, `delete table arp ${table}\n`);
    },
  };
}
