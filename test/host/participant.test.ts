/** One host's part in a change of the cluster file, without the others. */
import { describe, expect, it } from 'vitest';
import type { ApplyHost } from '../../host/apply/apply-host.js';
import { Participant } from '../../host/apply/participant.js';
import { type Revision, sealRevision } from '../../host/apply/revision.js';
import type { ClusterKeys } from '../../host/edge/key-file.js';
import { makeFile } from '../sim/files.js';

const key = { id: 1, bytes: new Uint8Array(32).fill(1) };
const keys: ClusterKeys = { sealing: key, valid: [key] };
const { file } = makeFile({ hostCount: 3 });
const REVISION: Revision = {
  revision: 1,
  fingerprint: 'new',
  text: '',
  cause: 'applied',
  by: 'root on mail1',
  at: '2026-11-23T08:00:00.000Z',
  without: [],
  confirmMs: null,
};

/** A participant whose disk takes as long as the test says. */
async function prepared() {
  const offered: number[] = [];
  const kept: (() => void)[] = [];
  const world = { inForce: 'old', revision: 0 };
  const host = {
    self: 'mail1',
    clusterName: file.clusterName,
    keys: () => keys,
    log: { info: () => {}, warning: () => {} },
    nowMs: () => 0,
    current: () => ({ file, fingerprint: 'old', revision: 0 }),
    protocol: () => ({
      inForce: { view: { fingerprint: world.inForce } },
      file: { fingerprint: world.inForce, revision: world.revision, offered: null },
    }),
    parse: () => ({ file, fingerprint: 'new' }),
    refusePortsTakenFor: async () => {},
    offer: ({ revision }: { revision: number }) => void offered.push(revision),
    withdraw: () => {},
  } as unknown as ApplyHost;
  const part = new Participant({
    host,
    keepOffered: () => new Promise((resolve) => kept.push(resolve)),
    onInForce: () => {},
    isUnconfirmed: () => false,
  });
  const sealed = sealRevision(REVISION, file.clusterName, keys);
  expect(await part.prepare(sealed, 'old', false)).toMatchObject({ ok: true });
  return { part, offered, kept, world };
}

describe('Participant', () => {
  it('offers nothing that was taken back while it was being kept, and says so', async () => {
    const { part, offered, kept } = await prepared();
    const committed = part.commit(1, 'new');
    expect(part.abort(1, 'new')).toMatchObject({ ok: true });
    kept[0]!();
    expect(await committed).toEqual({ ok: false, text: 'revision 1 was taken back meanwhile' });
    expect([offered, part.offeredRevision]).toEqual([[], 0]);
  });

  it('offers once what two hosts tell it to go on with at once', async () => {
    const { part, offered, kept, world } = await prepared();
    const both = [part.commit(1, 'new'), part.commit(1, 'new')];
    kept[0]!();
    expect(await both[0]).toMatchObject({ ok: true });
    Object.assign(world, { inForce: 'new', revision: 1 });
    part.look();
    kept[1]!();
    expect(await both[1]).toMatchObject({ ok: true });
    expect([offered, part.offeredRevision]).toEqual([[1], 0]);
  });
});
