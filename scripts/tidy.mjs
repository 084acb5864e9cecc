// The rules no linter knows: purity of the core, line and file length, and one word per thing.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const LINE_MAX = 130;
/** Tests hold whole messages and logs as their programs print them. */
const TEST_LINE_MAX = 180;
const FILE_LINES_MAX = 300;

/** Words of the "not" column of the word list that can be told by machine in our own identifiers. */
const WRONG_WORDS = {
  backend: 'service',
  backends: 'services',
  master: 'default host',
  leader: 'default host',
  shard: 'bucket',
  slot: 'bucket',
  epoch: 'view',
  member: 'host',
  members: 'hosts',
  ingress: 'entry host',
  failover: 'takeover or fallback',
  realip: 'dedicated IP',
  floatingip: 'virtual IP',
};

/** What the pure core may not touch; `file` is matched against the path. */
const PURITY = [
  {
    file: /^host\/protocol\//,
    bad: /from '(node:|\.\.\/edge|\.\.\/\.\.\/edge)/,
    why: 'host/protocol imports nothing from outside',
  },
  {
    file: /^host\/protocol\//,
    bad: /\b(Date\.now|new Date|setTimeout|setInterval|setImmediate|Math\.random|performance\.now|process\.)/,
    why: 'time, packets and chance are arguments of host/protocol',
  },
  {
    file: /^assembly\/decision\//,
    bad: /proxy-wasm-sdk|from ['"]\.\.\//,
    why: 'assembly/decision imports nothing from outside',
  },
];

function tracked(root) {
  const out = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return out.split('\n').filter((f) => /\.(ts|mjs|js|css|html|py)$/.test(f) && !f.includes('vectors'));
}

/** Splits identifiers at case changes, so that `hostMember` holds the word `member` and `membership` does not. */
function wordsOf(line) {
  const code = line.replace(/(\/\/|^\s*\*|^\s*\/\*).*$/, '').replace(/\b\w+_current_epoch\b|\bhook ingress\b/g, '');
  const identifiers = code.match(/[A-Za-z][A-Za-z0-9]*/g) ?? [];
  return identifiers.flatMap((id) => id.split(/(?<=[a-z0-9])(?=[A-Z])/)).map((w) => w.toLowerCase());
}

/** Messages stand in one piece, so that they can be searched for: a line that is long by its texts alone is not too long. */
function withoutTexts(line) {
  return line.replace(/'[^']*'|"[^"]*"|`[^`]*`|\/[^/]{40,}\//g, '').replace(/>[^<]*</g, '');
}

function lineFindings(file, line, number) {
  const found = [];
  const max = file.startsWith('test/') ? TEST_LINE_MAX : LINE_MAX;
  if (withoutTexts(line).length > max) found.push(`${line.length} characters, expected at most ${max}`);
  for (const rule of PURITY) {
    if (rule.file.test(file) && rule.bad.test(line)) found.push(rule.why);
  }
  // host/import reads Windows NLB's own names.
  if (/^(host|assembly)\//.test(file) && !file.startsWith('host/import/')) {
    for (const word of wordsOf(line)) {
      if (Object.hasOwn(WRONG_WORDS, word)) found.push(`the word is "${WRONG_WORDS[word]}", not "${word}"`);
    }
  }
  return found.map((text) => `${file}:${number}: ${text}`);
}

export function untidy(root) {
  const findings = [];
  for (const file of tracked(root)) {
    let lines;
    try {
      lines = readFileSync(join(root, file), 'utf8').split('\n');
    } catch {
      continue; // deleted, not yet committed
    }
    if (/^(host|assembly)\/.*\.ts$/.test(file) && lines.length > FILE_LINES_MAX) {
      findings.push(`${file}: ${lines.length} lines, expected at most ${FILE_LINES_MAX}`);
    }
    for (const [i, line] of lines.entries()) findings.push(...lineFindings(file, line, i + 1));
  }
  return findings;
}
