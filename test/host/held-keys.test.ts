/** The key file of a running host: read again when somebody changes it, and changed by orders of other hosts. */
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { authenticatorOf } from '../../host/edge/authenticator.js';
import type { ClusterKeys } from '../../host/edge/key-file.js';
import { Keyring } from '../../host/edge/keyring.js';
import { HeldKeys } from '../../host/keys/held-keys.js';
import { freshDirectory } from './cli-fixture.js';

const A = '5a'.repeat(32);
const B = '6b'.repeat(32);
const nothing = () => {};
const log = { info: nothing, warning: nothing, error: nothing, flush: nothing, repeating: nothing, identify: nothing };

let path: string;
let keyring: Keyring;
let held: HeldKeys;
let used: number[][];
let refusal: string | null;
let problems: (string | null)[];
let said: Map<string, string | null>;
let nowMs: number;

beforeEach(() => {
  path = join(freshDirectory(), 'cluster.key');
  writeFileSync(path, `1 ${A}\n`, { mode: 0o600 });
  keyring = new Keyring(path);
  [used, refusal, problems, said, nowMs] = [[], null, [], new Map(), 0];
  held = new HeldKeys({
    self: 'mail1',
    keyring,
    log,
    async use({ valid }: ClusterKeys) {
      if (refusal !== null) throw new Error(refusal);
      used.push(valid.map(({ id }) => id));
    },
    sayProblem: (topic, text) => void (topic === 'key' ? problems.push(text) : said.set(topic, text)),
    nowMs: () => nowMs,
  });
});

const fingerprints = () => held.state().keys.map(({ fingerprint }) => fingerprint);
const settled = () => held.forget('none');

describe('HeldKeys', () => {
  it('adds, promotes and forgets, each in the file and in force, and each once more without harm', async () => {
    const [first] = fingerprints();
    for (let i = 0; i < 2; i++) expect(await held.add({ id: 2, hex: B })).toMatchObject({ ok: true });
    const second = fingerprints()[1]!;
    expect(readFileSync(path, 'utf8').match(/^\d+ /gm)).toEqual(['1 ', '2 ']);
    for (let i = 0; i < 2; i++) expect(await held.promote(second)).toMatchObject({ ok: true });
    expect(readFileSync(path, 'utf8').match(/^\d+ /gm)).toEqual(['2 ', '1 ']);
    for (let i = 0; i < 2; i++) expect(await held.forget(first!)).toMatchObject({ ok: true });
    expect(fingerprints()).toEqual([second]);
    expect(used).toEqual([[1, 2], [1, 2], [2, 1], [2, 1], [2], [2]]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('refuses a third key, the forgetting of the one that seals, and what is no key', async () => {
    await held.add({ id: 2, hex: B });
    const text = 'it has two keys already: another change is under way (nlb key list)';
    expect(await held.add({ id: 3, hex: '7c'.repeat(32) })).toEqual({ ok: false, text });
    expect(await held.forget(fingerprints()[0]!)).toMatchObject({
      text: 'it seals with key 1, which cannot be forgotten',
    });
    expect(await held.promote('none')).toMatchObject({ ok: false });
    expect(await held.add({ id: 3, hex: 'xyz' })).toMatchObject({ ok: false });
    expect(fingerprints()).toHaveLength(2);
  });

  it('says no where Envoy did not take it, shows why, and is done when it is asked again', async () => {
    refusal = 'Envoy did not take handoff-accepted.json within 4 s: it does not read it';
    expect(await held.add({ id: 2, hex: B })).toEqual({ ok: false, text: refusal });
    expect(held.state().problem).toBe(refusal);
    refusal = null;
    expect(await held.add({ id: 2, hex: B })).toMatchObject({ ok: true });
    expect(problems).toEqual(['Envoy did not take handoff-accepted.json within 4 s: it does not read it', null]);
  });

  it('goes by a file that somebody edits, without a restart', async () => {
    const authenticator = authenticatorOf(() => keyring.keys);
    expect(authenticator.mac(2, new Uint8Array(4))).toBeNull();
    writeFileSync(path, `2 ${B}\n1 ${A}\n`);
    held.look();
    await settled();
    expect(authenticator.keyId).toBe(2);
    expect(authenticator.mac(1, new Uint8Array(4))).toHaveLength(32);
    expect(used[0]).toEqual([2, 1]);
  });

  it('says that two keys are valid only once they stay', async () => {
    await held.add({ id: 2, hex: B });
    held.look();
    nowMs += 600_000;
    held.look();
    expect(said.get('twoKeys')).toBeNull();
    nowMs += 1;
    held.look();
    expect(said.get('twoKeys')).toBe(
      'Two cluster keys (1 and 2) have been valid here for more than 10 min: nlb key rotate ends the change, nlb key list shows where each host is',
    );
    await held.forget(fingerprints()[1]!);
    held.look();
    expect(said.get('twoKeys')).toBeNull();
  });

  it('keeps its keys where the file becomes wrong, says so, and goes by it when it is mended', async () => {
    writeFileSync(path, '1 short\n');
    held.look();
    expect(held.state()).toMatchObject({ keys: [{ id: 1 }] });
    expect(held.state().problem).toContain(
      'cluster.key:1: the key is not hexadecimal, expected 64 digits 0-9 a-f; the keys read before stay valid here',
    );
    writeFileSync(path, `2 ${B}\n`);
    chmodSync(path, 0o644);
    held.look();
    expect(held.state().problem).toContain('has mode 0644: others than its owner may use it');
    chmodSync(path, 0o600);
    held.look();
    await settled();
    expect(held.state()).toMatchObject({ keys: [{ id: 2 }], problem: null });
  });
});
