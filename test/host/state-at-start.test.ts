/** What a host is when its sidecar starts: as it was left, or its initial state. */
import { describe, expect, test } from 'vitest';
import { type Remembered, stateAtStart } from '../../host/control/state-at-start.js';
import type { HostConfig } from '../../host/protocol/types.js';
import { parseClusterFile } from '../../host/protocol/config/index.js';

const host: HostConfig = { name: 'mail1', priority: 1, dedicatedIp: '10.0.0.11' };
const left = (hostState: Remembered['hostState'], bootId: string | null = 'boot 1'): Remembered => ({
  hostState,
  bootId,
});

describe('stateAtStart()', () => {
  test('is the initial state where none was kept, started unless the file says otherwise', () => {
    expect(stateAtStart(null, host, 'boot 1')).toEqual({
      state: 'started',
      cause: 'stateNotFound',
      text: 'no state of this host was kept: its initial state is started',
    });
    expect(stateAtStart(null, { ...host, initialState: 'suspended' }, 'boot 1').state).toBe('suspended');
  });

  test('is as it was left over a restart of the sidecar alone, whatever the file says', () => {
    for (const state of ['started', 'draining', 'stopped', 'suspended'] as const) {
      const kept = stateAtStart(left(state), { ...host, initialState: 'stopped', persistedStates: [] }, 'boot 1');
      expect(kept.state).toBe(state);
    }
    expect(stateAtStart(left('stopped', null), { ...host, persistedStates: [] }, 'boot 2').state).toBe('stopped');
  });

  test('is as it was left over a start of the machine, unless persistedStates leaves that state out', () => {
    expect(stateAtStart(left('stopped'), host, 'boot 2').state).toBe('stopped');
    expect(stateAtStart(left('draining'), host, 'boot 2').state).toBe('stopped');
    const retainSuspended: HostConfig = { ...host, persistedStates: ['suspended'] };
    expect(stateAtStart(left('suspended'), retainSuspended, 'boot 2').cause).toBe('stateStopped');
    expect(stateAtStart(left('stopped'), retainSuspended, 'boot 2')).toEqual({
      state: 'started',
      cause: 'stateStarted',
      text: 'the machine was started: this host was stopped, which persistedStates does not name, and is started (initialState)',
    });
    const off: HostConfig = { ...retainSuspended, initialState: 'stopped' };
    expect(stateAtStart(left('started'), off, 'boot 2').state).toBe('stopped');
  });
});

describe('initialState and persistedStates in the cluster file', () => {
  const parsed = (more: string) =>
    parseClusterFile(
      `cluster: mail.example.org
mode: routed
listenOn: dedicatedIp
hashSeed: 1
hosts:
  - {name: mail1, priority: 1, dedicatedIp: 10.0.0.11${more}}
portRules:
  - {name: smtp, ports: 25, service: {address: '{dedicatedIp}:2525', proxyProtocol: v2}}
`,
      'cluster.yaml',
    );

  test('what is the default anyway says nothing, so that fingerprints stay', () => {
    const plain = parsed('');
    expect(plain).toMatchObject({ file: { hosts: [host] } });
    const said = parsed(', initialState: started, persistedStates: [suspended, started, stopped]');
    expect('file' in said && said.file).toEqual('file' in plain && plain.file);
  });

  test('are taken as written, in one order', () => {
    const own = { initialState: 'stopped', persistedStates: ['started', 'suspended'] };
    expect(parsed(', initialState: stopped, persistedStates: [suspended, started]')).toMatchObject({
      file: { hosts: [own] },
    });
  });

  test.each([
    [', initialState: off', 'hosts[0].initialState is "off", expected started, stopped or suspended'],
    [
      ', persistedStates: suspended',
      'hosts[0].persistedStates is "suspended", expected a list of started, stopped and suspended',
    ],
    [
      ', persistedStates: [draining]',
      'hosts[0].persistedStates[0] is "draining", expected started, stopped or suspended',
    ],
  ])('%s is refused with what was expected', (more, message) => {
    expect(parsed(more)).toMatchObject({ errors: [expect.objectContaining({ message })] });
  });
});
