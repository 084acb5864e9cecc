/** Hosts that tell each other of their recent clients, where one of them does not. */
import { describe, expect, it } from 'vitest';
import type { ChannelHandler, HostChannel } from '../../host/channel/channel.js';
import { StickPeers } from '../../host/stick-peers.js';
import { RecentClients } from '../../host/stick/table.js';

const RULE = { name: 'rdp', stickForMs: 60_000, form: 'single 1' };

/** mail1 and mail2 in one process; `world.why` is why mail2 does not answer. */
function pair() {
  const world = { nowMs: 0, why: null as string | null };
  const clock = { nowMs: () => world.nowMs, wallIso: () => '' };
  const [one, two] = ['mail1', 'mail2'].map((self) => {
    const table = new RecentClients(self);
    table.useRules([RULE]);
    const others = () => (self === 'mail1' ? ['mail2'] : ['mail1']);
    return { table, peers: new StickPeers(table, clock, others) };
  }) as [{ table: RecentClients; peers: StickPeers }, { table: RecentClients; peers: StickPeers }];
  let answer: ChannelHandler | null = null;
  const channel = (part: Partial<Record<keyof HostChannel, unknown>>) => part as unknown as HostChannel;
  const on = (_: string, handler: ChannelHandler) => {
    answer = handler;
  };
  two.peers.speakBy(channel({ on }));
  one.peers.speakBy(
    channel({
      on: () => {},
      ask: async (_: string, { body }: { body: unknown }) => {
        if (world.why !== null) throw new Error(world.why);
        return answer!({ from: 'mail1', body } as unknown as Parameters<ChannelHandler>[0]);
      },
    }),
  );
  const after = async (ms: number) => {
    world.nowMs += ms;
    one.peers.look();
    await new Promise(setImmediate);
  };
  return { world, one, two, after };
}

describe('the exchange of recent clients', () => {
  it('names a host that is heard and answers with no clients, until it does', async () => {
    const { world, one, after } = pair();
    world.why = 'host mail2 does not answer on the host channel: connect ECONNREFUSED 10.0.0.12:7621';
    for (let i = 0; i < 14; i++) await after(1000);
    expect(one.peers.problem(['mail2'])).toBeNull();
    for (let i = 0; i < 3; i++) await after(1000);
    expect(one.peers.problem(['mail2'])).toBe(
      `Recent clients are not exchanged with mail2 (${world.why}), whose heartbeats arrive: this host and that one may lead a ` +
        "client to different hosts; let the host channel's port through in both directions, or run one release on both",
    );
    expect(one.peers.problem([])).toBeNull();
    world.why = null;
    // A host with nothing to tell says so every ten seconds.
    for (let i = 0; i < 11; i++) await after(1000);
    expect(one.peers.problem(['mail2'])).toBeNull();
  });
});
