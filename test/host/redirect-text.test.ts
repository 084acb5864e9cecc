import { expect, it } from 'vitest';
import { displayText } from '../../host/cli/display.js';
import { statusFixture } from './cli-fixture.js';

it('nlb display names the rules that are redirected, and where other ports went', () => {
  const status = statusFixture();
  const plain = displayText(status);
  status.rules[1]!.isRedirected = true;
  const counts = { servedHereCount: 5, handedOffCount: 7, refusedCounts: {}, openCount: 1, servedOpenCount: 2 };
  const lines = displayText({ ...status, otherPorts: counts }).split('\n');
  expect(lines.filter((line) => !plain.split('\n').includes(line))).toEqual([
    '  Redirected by the kernel to one listener: db',
    '  other ports, default host mail1: 1 open entered here, 2 open served here, 5',
    '  served here, 7 handed off',
  ]);
});
