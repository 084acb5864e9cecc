/** R13: whose sidecar is silent keeps its share while its Envoy answers, and only what it has. */
import { expect, test } from 'vitest';
import { Cluster } from '../sim/cluster.js';
import { makeFile } from '../sim/files.js';

test('a silent host that a file left out has no share to keep: it is not back in the next view without a word', () => {
  const cluster = new Cluster(3, makeFile({ hostCount: 3 }));
  for (const host of cluster.hosts) cluster.start(host);
  cluster.run(7000);
  const [mail1, mail2, mail3] = cluster.hosts;
  cluster.killSidecar(mail3!);
  cluster.run(4000);
  expect(cluster.status(mail1!)!.hosts[2]!.state).toBe('sidecarSilent');
  const apply = (revision: number, affinity: 'none' | 'single', without: string[]) => {
    const known = makeFile({ hostCount: 3, affinity });
    for (const host of [mail1!, mail2!])
      cluster.give(host, { kind: 'offer', nowMs: cluster.clock(host), ...known, revision, without });
  };
  const views: string[] = [];
  apply(2, 'none', ['mail3']);
  for (let ms = 0; ms < 3000; ms += 5) {
    cluster.run(5);
    const names = mail1!.state!.inForce!.view.hosts.map(({ name }) => name).join();
    if (names !== views.at(-1)) views.push(names);
    if (names === 'mail1,mail2' && views.length === 2 && mail1!.state!.known.revision === 2) apply(3, 'single', []);
  }
  expect(mail2!.state!.known.revision).toBe(3);
  expect(views).toEqual(['mail1,mail2,mail3', 'mail1,mail2']);
});
