import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { KeyFileError, readKeyFile, writeKeyFile } from '../../host/edge/key-file.js';

const directory = mkdtempSync(join(tmpdir(), 'nlb-key-'));
afterAll(() => rmSync(directory, { recursive: true }));

const HEX = '00112233445566778899aabbccddeeff'.repeat(2);
let fileCount = 0;

function keyFile(text: string, mode = 0o600): string {
  fileCount += 1;
  const path = join(directory, `key-${fileCount}`);
  writeFileSync(path, text, { mode });
  chmodSync(path, mode); // whatever the umask says
  return path;
}

/** Code and sentence of the refusal, with FILE for the path. */
function refusalOf(path: string): string[] {
  try {
    readKeyFile(path);
  } catch (error) {
    if (error instanceof KeyFileError) return [error.code, error.message.replaceAll(path, 'FILE')];
    throw error;
  }
  return ['taken'];
}

describe('readKeyFile()', () => {
  test('reads back what writeKeyFile() wrote, with mode 0600', () => {
    const path = join(directory, 'written');
    const key = { id: 7, bytes: Uint8Array.from({ length: 32 }, (_, index) => index * 8) };
    writeKeyFile(path, key, false);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readKeyFile(path)).toEqual({ sealing: key, valid: [key] });
    expect(() => writeKeyFile(path, key, false)).toThrow('EEXIST');
  });

  test('takes two keys, the first one seals', () => {
    const { sealing, valid } = readKeyFile(keyFile(`# new\r\n2 ${HEX.toUpperCase()}\r\n\r\n1 ${HEX}\r\n`));
    expect([sealing.id, valid.map((key) => key.id), valid[0]!.bytes[1]]).toEqual([2, [2, 1], 0x11]);
  });

  test('follows a link to the file whose mode counts', () => {
    const path = join(directory, 'link');
    symlinkSync(keyFile(`1 ${HEX}\n`), path);
    expect(readKeyFile(path).sealing.id).toBe(1);
  });

  const malformed: [what: string, text: string, says: string][] = [
    ['an empty file', '', 'The cluster key FILE holds no key, expected a line "ID HEX" such as nlb init writes'],
    ['a short key', `1 ${HEX.slice(2)}`, 'FILE:1: the key is too short: 62 digits, expected 64 (32 bytes)'],
    ['a long key', `# c\n1 ${HEX}00`, 'FILE:2: the key is too long: 66 digits, expected 64 (32 bytes)'],
    ['other digits', `1 ${HEX.replace('a', 'g')}`, 'FILE:1: the key is not hexadecimal, expected 64 digits 0-9 a-f'],
    ['no id', HEX, 'FILE:1: this is no key, expected a line "ID HEX"'],
    ['a third word', `1 ${HEX} x`, 'FILE:1: this is no key, expected a line "ID HEX"'],
    ['an id beyond 255', `256 ${HEX}`, 'FILE:1: the key id is 256, expected 0-255'],
    ['an id with a leading zero', `01 ${HEX}`, 'FILE:1: the key id is 01, expected 0-255'],
    [
      'one id twice',
      `1 ${HEX}\n1 ${HEX}`,
      'The cluster key FILE holds two keys of id 1, expected an id of its own for each',
    ],
    [
      'three keys',
      [1, 2, 3].map((id) => `${id} ${HEX}`).join('\n'),
      'The cluster key FILE holds 3 keys, expected one, or two during a change',
    ],
    [
      'a file that is too large',
      '#'.repeat(4097),
      'Cannot read the cluster key FILE: it has more than 4096 bytes, expected one or two lines "ID HEX"',
    ],
  ];
  test.each(malformed)('refuses %s', (_, text, says) => {
    expect(refusalOf(keyFile(text))).toEqual(['KEY_MALFORMED', says]);
  });

  test('shows no digit of a key in any refusal', () => {
    for (const [, text] of malformed) expect(refusalOf(keyFile(text)).join()).not.toContain('2233');
  });

  test.each(['0644', '0640', '0604', '0620', '0610'])('refuses mode %s: others may use it', (shown) => {
    const mode = Number.parseInt(shown, 8);
    expect(refusalOf(keyFile(`1 ${HEX}`, mode))).toEqual([
      'KEY_FILE_OPEN_TO_OTHERS',
      `The cluster key FILE has mode ${shown}: others than its owner may use it, expected 0600 (chmod 600 FILE)`,
    ]);
  });

  test.runIf(process.getuid?.() === 0)('refuses a file of another user (only root can make one)', () => {
    const path = keyFile(`1 ${HEX}`);
    chownSync(path, 4711, 4711);
    expect(refusalOf(path)).toEqual([
      'KEY_FILE_OPEN_TO_OTHERS',
      'The cluster key FILE belongs to user 4711, expected root or user 0, who runs this (chown 0 FILE)',
    ]);
  });

  test('refuses what is not there, and what is no file', () => {
    expect(refusalOf(join(directory, 'none'))).toEqual([
      'KEY_FILE_MISSING',
      'Cannot read the cluster key FILE: there is no such file; copy it from another host, or make one with nlb init',
    ]);
    const path = join(directory, 'directory');
    mkdirSync(path, { mode: 0o700 });
    expect(refusalOf(path)).toEqual(['KEY_FILE_UNREADABLE', 'Cannot read the cluster key FILE: EISDIR']);
  });
});
