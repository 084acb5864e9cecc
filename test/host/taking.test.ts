/** Mode arp: what of a take that was begun comes to the kernel. */
import { createSocket } from 'node:dgram';
import { expect, test } from 'vitest';
import { takeInTime } from '../../host/virtual-ip/taking.js';

/** What happens, in order; `saidMs` is what the protocol says after the claim. */
function lab(given: { saidMs?: number; isRight?: boolean; sleptMs?: number } = {}) {
  const done: string[] = [];
  let nowMs = 100;
  const options = {
    clock: { nowMs: () => nowMs++, wallIso: () => '' },
    permitMs: 225,
    kernel: {
      permit: async () => void done.push('permit'),
      take: async () => {
        done.push('take');
        return true;
      },
    },
    claim: () => {
      done.push('claim');
      nowMs += given.sleptMs ?? 0;
    },
    saidMs: () => given.saidMs ?? 150,
    isStillRight: () => {
      done.push('look');
      return given.isRight ?? true;
    },
  };
  return { options, done };
}

test('a take comes to the kernel after its permit, its claim and another look at the others', async () => {
  const { options, done } = lab();
  expect(await takeInTime('eth0', options)).toBe(true);
  expect(done).toEqual(['permit', 'claim', 'look', 'take']);
});

test('a take stops where another claims them too, where it slept, and where its claim was not said in time', async () => {
  for (const given of [{ isRight: false }, { sleptMs: 300 }, { saidMs: 50 }]) {
    const { options, done } = lab(given);
    expect(await takeInTime('eth0', options), JSON.stringify(given)).toBe(false);
    expect(done).not.toContain('take');
  }
});

test('a take hears what came while it was stopped: a claim that waits in a socket is read before it looks', async () => {
  const [one, other] = [createSocket('udp4'), createSocket('udp4')];
  try {
    await new Promise<void>((resolve) => one.bind(0, '127.0.0.1', resolve));
    // Connected, so that a datagram is in the kernel when `send` returns.
    await new Promise<void>((resolve) => other.connect(one.address().port, '127.0.0.1', resolve));
    let isClaimedElsewhere = false;
    one.on('message', () => {
      isClaimedElsewhere = true;
    });
    const { options, done } = lab();
    const claim = () => {
      done.push('claim');
      // It comes when this process stands still, and its time is over when it goes on.
      setTimeout(() => {
        other.send('mine');
        const until = performance.now() + 60;
        while (performance.now() < until);
      }, 10);
    };
    const isStillRight = () => !isClaimedElsewhere;
    expect(await takeInTime('eth0', { ...options, claim, isStillRight })).toBe(false);
    expect(done).toEqual(['permit', 'claim']);
  } finally {
    one.close();
    other.close();
  }
});
