/** The verbs that change a host and its port rules, without a sidecar around them. */
import { describe, expect, test } from 'vitest';
import type { OpenSeen } from '../../host/control/drain-end.js';
import { HostControl, timeoutOf } from '../../host/control/host-control.js';
import { controlRules, ruleDrainEndText } from '../../host/control/rule-control.js';
import { rulesMeant } from '../../host/control/rules-meant.js';
import { type ControlCause, CONTROL_KINDS, controlLine } from '../../host/event-number.js';
import type { HostState, InForce, PortRule, RuleControl } from '../../host/protocol/types.js';
import { RuleControls } from '../../host/rule-controls.js';
import { type Kept, TakingPart } from '../../host/taking-part.js';

const rule = (name: string, ports: [number, number], virtualIp: string | null = null) =>
  ({
    name,
    portFirst: ports[0],
    portLast: ports[1],
    virtualIp,
    filteringMode: 'multiple',
    service: { address: ports[0] === ports[1] ? '{dedicatedIp}:2525' : '{dedicatedIp}:{port}' },
  }) as PortRule;
const file = {
  virtualIps: ['10.0.0.100', '10.0.0.101'],
  portRules: [
    rule('smtp', [25, 25]),
    rule('web', [80, 89]),
    rule('web-100', [80, 80], '10.0.0.100'),
    { ...rule('off', [7, 7]), filteringMode: 'disabled' } as PortRule,
  ],
};

describe('rulesMeant()', () => {
  const names = (port: string, vip: string | null = null) => {
    const meant = rulesMeant(file, port, vip);
    return meant.ok ? meant.rules.map(({ name }) => name) : meant.text;
  };

  test('a port means every rule that holds it, all means every rule', () => {
    expect(names('25')).toEqual(['smtp']);
    expect(names('80')).toEqual(['web', 'web-100']);
    expect(names('all')).toEqual(['smtp', 'web', 'web-100', 'off']);
    expect(names('ALL')).toEqual(names('all'));
  });

  test('with a virtual IP, the rule that takes what comes to it', () => {
    expect(names('80', '10.0.0.100')).toEqual(['web-100']);
    expect(names('80', '10.0.0.101')).toEqual(['web']);
    expect(names('80', 'all')).toEqual(['web']);
    expect(names('all', '10.0.0.100')).toEqual(['web-100', 'smtp', 'web', 'off']);
  });

  test('names what is wrong, and what there is', () => {
    const there = 'there are smtp (25), web (80-89), web-100 (80 of 10.0.0.100), off (7)';
    expect(names('26')).toBe(`No port rule holds port 26; ${there}`);
    expect(names('26', 'all')).toBe(`No port rule holds port 26 of virtual IP all; ${there}`);
    expect(names('70000')).toBe('port is 70000, expected 0-65535 or all');
    expect(names('')).toBe('port is , expected 0-65535 or all');
    expect(names('25', '10.0.0.1')).toBe('vip is 10.0.0.1, expected all or one of 10.0.0.100, 10.0.0.101');
  });
});

/** A host mail1 beside mail2, which takes part in smtp where `isServedElsewhere`. */
function hostAt(state: HostState, isServedElsewhere = true, own: readonly (string | null)[] = []) {
  const said: ControlCause[] = [];
  const given: string[] = [];
  const limits: (number | null)[] = [];
  const controls = new Map<string, RuleControl>();
  const host = {
    name: 'mail1',
    state: () => state,
    file: () => file as unknown as InForce['file'],
    inForce: () =>
      ({
        file,
        view: {
          hosts: [
            { name: 'mail1', rules: own.map((absence) => ({ absence })) },
            { name: 'mail2', rules: [{ absence: isServedElsewhere ? null : 'stopped' }] },
          ],
        },
        lostSince: [],
      }) as unknown as InForce,
    become: (next: HostState) => {
      state = next;
    },
    wantEnvoy: () => {},
    skipDelay: () => {},
    controlOf: (name: string) => controls.get(name) ?? ('enabled' as const),
    control: (names: readonly string[], control: RuleControl, drainForMs: number | null) => {
      for (const name of names) controls.set(name, control);
      limits.push(drainForMs);
    },
    isDrainLimited: () => limits.at(-1) != null,
    give: (names: readonly string[]) => void given.push(...names),
    openCount: () => 3,
    say: (cause: ControlCause) => void said.push(cause),
  };
  return { host, control: new HostControl(host), said, controls, given, limits };
}

describe('HostControl', () => {
  test('a drain that start or stop ends is told as interrupted, with the number of NLB', () => {
    const { control, said } = hostAt('started');
    control.drainstop(null);
    control.start(false);
    control.drainstop(30_000);
    control.stop();
    expect(said).toEqual(['drainStarted', 'drainInterrupted', 'drainStarted', 'drainInterrupted']);
    expect(controlLine('drainInterrupted', 'mail1', 'x')[3]).toEqual({
      cause: 'drainInterrupted',
      host: 'mail1',
      event: 45,
    });
  });

  test('resume leaves the host stopped, and changes nothing where it is not suspended', () => {
    const { control, host } = hostAt('started');
    expect(control.resume().text).toBe('host mail1 is not suspended, it is started');
    control.suspend();
    expect(control.resume().text).toBe('host mail1 takes verbs again and is stopped (nlb start brings it back)');
    expect(host.state()).toBe('stopped');
  });

  test('the last host says that it is the last', () => {
    for (const verb of ['stop', 'suspend'] as const) {
      expect(hostAt('started', false).control[verb]().text).toContain('No other host takes part');
      expect(hostAt('started').control[verb]().text).not.toContain('No other host');
    }
  });

  test.each([
    ['', null],
    ['timeoutMs=30000', 30_000],
    ['timeoutMs=0', undefined],
    ['timeoutMs=-1', undefined],
    ['timeoutMs=soon', undefined],
    ['timeoutMs=604800001', undefined],
  ])('timeoutOf(%j) is %j', (query, ms) => {
    expect(timeoutOf(new URLSearchParams(query))).toBe(ms);
  });
});

describe('controlRules()', () => {
  const ask = (at: ReturnType<typeof hostAt>, verb: 'enable' | 'disable' | 'drain', query: string) =>
    controlRules(at.host, verb, new URLSearchParams(query));

  test('says what becomes of open connections, and tells the event of NLB', () => {
    const at = hostAt('started');
    expect(ask(at, 'disable', 'port=25')).toEqual({
      ok: true,
      text: 'port rule smtp (25) is disabled on host mail1: no new connections, 3 open connections to its service here end',
    });
    expect(ask(at, 'disable', 'port=25').text).toBe('port rule smtp (25) is disabled on host mail1 already');
    expect(ask(at, 'drain', 'port=25').text).toContain('3 open connections to its service here finish');
    ask(at, 'enable', 'port=all');
    ask(at, 'disable', 'port=26');
    expect(at.said).toEqual(['ruleAdjusted', 'ruleDraining', 'allRulesEnabled', 'ruleNotFound']);
    expect(at.said.map((cause) => CONTROL_KINDS[cause].number)).toEqual([38, 39, 42, 25]);
  });

  test('drain with a time says what becomes of what is left then; said again, the last time counts', () => {
    const at = hostAt('started');
    const drain = (port: number, ms: number | null) =>
      controlRules(at.host, 'drain', new URLSearchParams({ port: String(port) }), ms).text;
    expect(drain(25, 90_000)).toBe(
      'port rule smtp (25) is draining on host mail1: no new connections, 3 open connections to its service here finish within 90s; what is open then ends, and the rule is disabled',
    );
    expect(drain(25, 1500)).toContain(' finish within 1500 ms; ');
    expect(drain(25, null)).toMatch(/ finish$/);
    expect(drain(25, null)).toBe('port rule smtp (25) is draining on host mail1 already');
    expect(at.limits).toEqual([90_000, 1500, null]);
    expect(drain(85, 1000)).toContain('. Those of web go on until they finish: ');
    expect(ruleDrainEndText(undefined, 'smtp', 1)).toBe(
      'the drain of port rule smtp took as long as it may: it is disabled here now, 1 open connection to its service end',
    );
  });

  test('on a stopped host counts from its start on', () => {
    const at = hostAt('stopped');
    const { ok, text } = ask(at, 'drain', 'port=25');
    expect([ok, text.endsWith('; the host is stopped, so this counts from nlb start on')]).toEqual([true, true]);
    expect(at.said).toEqual(['ruleDraining', 'ruleWhileStopped']);
    expect(at.controls.get('smtp')).toBe('draining');
  });

  test('says where open connections go on, because the service is on whichever port was asked for', () => {
    const { text } = ask(hostAt('started'), 'disable', 'port=85');
    const kept = 'Those of web go on until they finish: its service is on whichever port the client asked for';
    expect(text).toContain(`port rule web (80-89) is disabled on host mail1: no new connections. ${kept}`);
  });

  test('enable gives a host on standby its part, and says so; of rules that are on, and of no other', () => {
    const at = hostAt('started', true, ['standby', null]);
    const back = '; it was on standby in smtp and takes its part with the next view';
    expect(ask(at, 'disable', 'port=80').text).not.toContain('standby');
    expect(ask(at, 'enable', 'port=25').text).toBe(`port rule smtp (25) is enabled on host mail1 already${back}`);
    expect(ask(at, 'enable', 'port=85').text).toBe(
      'port rule web (80-89) is enabled on host mail1: it takes new connections with the next view',
    );
    expect([at.given, at.said]).toEqual([['smtp'], ['ruleAdjusted', 'ruleAdjusted', 'ruleAdjusted']]);
    expect(ask(at, 'enable', 'port=all').text).toContain(back);
    const on = hostAt('started', true, [null, null]);
    expect(ask(on, 'enable', 'port=25').text).toBe('port rule smtp (25) is enabled on host mail1 already');
    expect([on.given, on.said]).toEqual([[], []]);
  });

  test('what the file disables is not enabled by one host', () => {
    const text = 'port rule off (7) is disabled in the cluster file; nlb apply changes that';
    expect(ask(hostAt('started'), 'enable', 'port=7')).toEqual({ ok: false, text });
  });

  test('the last host of a rule says so', () => {
    expect(ask(hostAt('started', false), 'disable', 'port=25').text).toContain('No other host takes part in smtp');
  });
});

describe('RuleControls', () => {
  test('remembers rules that the file lost, 64 at most, the oldest goes', () => {
    const controls = new RuleControls({ smtp: 'disabled' });
    for (let i = 0; i < 64; i++) controls.set(`r${i}`, 'draining');
    expect([controls.of('smtp'), controls.of('r0'), controls.of('r63')]).toEqual(['enabled', 'draining', 'draining']);
    controls.set('r0', 'enabled');
    expect(Object.keys(new RuleControls(controls.saved()).saved()).length).toBe(63);
  });
});

/** A TakingPart whose surroundings the test moves by hand. */
function takingPart(
  hostState: HostState = 'started',
  saved: Record<string, 'disabled' | 'draining'> = {},
  drainsLeftMs: Record<string, number> = {},
) {
  const world = {
    nowMs: 0,
    open: { count: 0, atMs: 0 } as OpenSeen | null,
    isOut: false,
    isKnownEverywhere: false,
    gate: { isOpen: true, atMs: 0 } as { isOpen: boolean; atMs: number } | null,
    closed: new Set<string>() as ReadonlySet<string>,
    isHeard: true,
    posted: [] as string[],
    kept: [] as Kept[],
    ended: 0,
    left: null as number | null,
    rulesEnded: [] as string[],
  };
  const part = new TakingPart({
    hostState,
    controls: new RuleControls(saved),
    drainLeftMs: null,
    ruleDrainsLeftMs: drainsLeftMs,
    nowMs: () => world.nowMs,
    services: () => ['smtp', 'web'].map((name) => ({ rule: name, up: true })),
    openSeen: () => world.open,
    isOut: () => world.isOut,
    isKnownEverywhere: () => world.isKnownEverywhere,
    isEnvoyUsable: () => true,
    gateSeen: () => world.gate,
    post: ({ hostState: state, rules }) => {
      if (world.isHeard)
        world.posted.push(
          [state, ...rules.map(({ control, isOpening }) => (isOpening ? 'opening' : control))].join(' '),
        );
      return world.isHeard;
    },
    keep: (kept) => void world.kept.push(kept),
    endEnvoy: () => {
      world.ended += 1;
    },
    closeGates: (rules) => {
      const opened = [...world.closed].filter((name) => !rules.has(name));
      world.closed = rules;
      return opened;
    },
    drainEnded: (leftCount) => {
      world.left = leftCount;
    },
    ruleDrainEnded: (rule) => void world.rulesEnded.push(rule),
  });
  part.look();
  return { part, world };
}

describe('TakingPart', () => {
  test('closes the gate of a disabled rule once all know, and never because of a host that does not say so', () => {
    for (const waitMs of [0, 5000]) {
      const { part, world } = takingPart();
      part.control(['smtp'], 'disabled');
      expect([...world.closed]).toEqual([]);
      world.isOut = true;
      part.look();
      expect([...world.closed]).toEqual([]);
      world.isKnownEverywhere = waitMs === 0;
      world.nowMs += waitMs;
      part.look();
      expect([...world.closed]).toEqual(['smtp']);
    }
  });

  test('brings an enabled rule in only when Envoy was seen to use its service again', () => {
    const { part, world } = takingPart('started', { smtp: 'disabled' });
    expect([...world.closed]).toEqual(['smtp']);
    world.nowMs = 1000;
    part.control(['smtp'], 'enabled');
    expect([...world.closed]).toEqual([]);
    expect(world.posted).toEqual(['started disabled enabled', 'started opening enabled']);
    world.gate = { isOpen: false, atMs: 1100 };
    part.look();
    expect(world.posted.length).toBe(2);
    world.gate = { isOpen: true, atMs: 1200 };
    part.look();
    expect(world.posted.at(-1)).toBe('started enabled enabled');
  });

  test('stops when a drain took as long as it may, and keeps what is left of it', () => {
    const { part, world } = takingPart();
    world.open = { count: 2, atMs: 0 };
    part.become('draining', 3000);
    expect(world.kept.at(-1)).toEqual({
      hostState: 'draining',
      ruleControls: {},
      drainLeftMs: 3000,
      ruleDrainsLeftMs: {},
    });
    world.isOut = true;
    world.nowMs = 2999;
    part.look();
    expect(part.hostState).toBe('draining');
    world.nowMs = 3000;
    part.look();
    expect([part.hostState, world.kept.at(-1)!.drainLeftMs, world.left]).toEqual(['stopped', null, 2]);
  });

  test('disables a rule whose drain took as long as it may, over a restart too, and none that was enabled meanwhile', () => {
    const { part, world } = takingPart();
    part.control(['smtp'], 'draining', 3000);
    part.control(['web'], 'draining', 3000);
    part.control(['web'], 'enabled');
    expect(world.kept.at(-1)).toMatchObject({ ruleControls: { smtp: 'draining' }, ruleDrainsLeftMs: { smtp: 3000 } });
    world.nowMs = 2999;
    part.look();
    expect([part.controlOf('smtp'), world.rulesEnded]).toEqual(['draining', []]);
    world.nowMs = 3000;
    part.look();
    part.look();
    expect([part.controlOf('smtp'), part.controlOf('web'), world.rulesEnded]).toEqual([
      'disabled',
      'enabled',
      ['smtp'],
    ]);
    expect(world.kept.at(-1)).toMatchObject({ ruleControls: { smtp: 'disabled' }, ruleDrainsLeftMs: {} });
    expect(world.posted.at(-1)).toBe('started disabled enabled');

    const again = takingPart('started', { smtp: 'draining' }, { smtp: 500 });
    expect([again.part.controlOf('smtp'), again.part.ruleDrainEndMs('smtp')]).toEqual(['draining', 500]);
    again.world.nowMs = 500;
    again.part.look();
    expect([again.part.controlOf('smtp'), again.part.ruleDrainEndMs('smtp')]).toEqual(['disabled', null]);
  });

  test('tells again what nobody heard, because the protocol was not there yet', () => {
    const { part, world } = takingPart();
    const heard = world.posted.length;
    world.isHeard = false;
    part.control(['smtp'], 'draining');
    expect(world.posted.length).toBe(heard);
    world.isHeard = true;
    part.look();
    part.look();
    expect(world.posted.slice(heard)).toEqual(['started draining enabled']);
  });

  test('ends a drain by what Envoy said since nobody sends it new connections, never by an older answer', () => {
    const { part, world } = takingPart();
    const lookAt = (nowMs: number, count: number | null, atMs = nowMs) => {
      world.nowMs = nowMs;
      world.open = count === null ? null : { count, atMs };
      part.look();
      return part.hostState;
    };
    part.become('draining');
    world.isOut = true;
    for (const atMs of [1000, 1300, 1600]) expect(lookAt(atMs, 0)).toBe('draining');
    world.isKnownEverywhere = true;
    // Views come one after the other; Envoy was asked before the clients came that are open now.
    for (const nowMs of [2000, 2100, 2500]) expect(lookAt(nowMs, 0, 1600)).toBe('draining');
    expect(lookAt(2600, 2)).toBe('draining');
    expect(lookAt(3100, 0)).toBe('draining');
    expect(lookAt(3200, 0)).toBe('draining');
    expect(lookAt(3400, null)).toBe('draining');
    expect(lookAt(3600, 0)).toBe('draining');
    expect(lookAt(3850, 0)).toBe('stopped');
    expect(world.left).toBe(0);
  });

  test('ends a drain although a host never says that it knows', () => {
    const { part, world } = takingPart();
    part.become('draining');
    world.isOut = true;
    for (let nowMs = 0; nowMs <= 6000; nowMs += 500) {
      world.nowMs = nowMs;
      world.open = { count: 0, atMs: nowMs };
      part.look();
      expect(part.hostState).toBe(nowMs <= 5000 ? 'draining' : 'stopped');
    }
  });

  test('ends Envoy of a suspended host as of a stopped one', () => {
    const { part, world } = takingPart();
    part.become('suspended');
    world.isOut = true;
    part.look();
    expect([world.ended, world.posted.at(-1)]).toEqual([1, 'suspended enabled enabled']);
  });
});
