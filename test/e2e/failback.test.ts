/** A host that comes back slowly, on real sidecars: its weight in the view, step by step. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { greeting } from './harness/client.js';
import { waitFor } from './harness/wait.js';
import { PORTS, SidecarCluster, type SidecarHost } from './sidecar-cluster.js';

const cluster = new SidecarCluster('127.0.73', 3, false, '    failback: slowly 6s\n');
const [mail1, mail2, mail3] = cluster.hosts as [SidecarHost, SidecarHost, SidecarHost];

beforeAll(() => cluster.start(), 120_000);
afterAll(() => cluster.stop());

const weightAt = async (host: SidecarHost) => (await host.status()).rules[0]!.hosts[2]!.loadWeight;
const allWeightsBack = () =>
  waitFor('mail3 has all its weight everywhere', async () => {
    const weights = await Promise.all(cluster.hosts.map(weightAt));
    return weights.every((weight) => weight === 50);
  });

async function weightsUntilBack(): Promise<number[]> {
  const seen: number[] = [];
  await waitFor('mail3 is all the way back', async () => {
    const weight = await weightAt(mail2);
    if (weight > 0 && weight !== seen.at(-1)) seen.push(weight);
    return weight === 50;
  });
  return seen;
}

/** Its Envoy ends when it knows that it is out; the host that is asked knows a moment earlier or later. */
async function isOut(): Promise<void> {
  await waitFor('mail3 is out', async () => mail3.envoyPid === null && (await weightAt(mail2)) === 0);
}

async function owners(): Promise<string[]> {
  const all: string[] = [];
  for (let i = 1; i <= 60; i++) {
    const line = await greeting(`127.0.74.${i}`, { host: mail1.ip, port: PORTS.rule });
    all.push(/^220 (\w+) /.exec(line)?.[1] ?? line);
  }
  return all;
}

describe('failback: slowly', () => {
  it('gives a host that was stopped its weight in steps, and clients with it', async () => {
    await allWeightsBack();
    // Until the others are all the way back from their own start, nobody is slowed down.
    const seen = await waitFor('steps', async () => {
      await mail3.ask('POST', '/stop');
      await isOut();
      await mail3.ask('POST', '/start');
      const steps = await weightsUntilBack();
      return steps.length > 2 && steps;
    });
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    await allWeightsBack();
    await cluster.converged();
    expect(await owners()).toContain('mail3');
  });

  it('gives it all of it at once with nlb start --now', async () => {
    await mail3.ask('POST', '/stop');
    await isOut();
    await mail3.ask('POST', '/start?now=true');
    const first = await waitFor('mail3 takes part', async () => (await weightAt(mail2)) || null);
    expect(first).toBe(50);
    await cluster.converged();
  });
});
