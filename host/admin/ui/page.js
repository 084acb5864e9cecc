// The manager page: hears the status from its sidecar on every change (server-sent events) and shows it in place. Nothing
// is ever rebuilt: elements are kept by name, so that an opened rule stays open and a selection stays selected.
// The shape of a status is host/admin/status.ts.

import { ask, getAccess, Refused, refusalOf } from './access.js';
import { createActions, updateHostActions, updateRuleActions } from './actions.js';

/** The sidecar speaks at least once a second (host/admin/events.ts); longer silence than this is said aloud. */
const SILENCE_MS = 3000;
const TICK_MS = 1000;
/** A connection that is silent for so long is given up: the other end may be gone without a word. */
const ASK_ANEW_MS = 10_000;
/** More rules than this start folded, so that 32 of them are still an overview. */
const OPEN_RULES_MAX = 4;

/** Every state as a person reads it: a sign, a word, and the tone that page.css colours. */
const HOST_STATES = {
  converged: { sign: '✔', word: 'Converged', tone: 'good' },
  converging: { sign: '↻', word: 'Converging', tone: 'busy' },
  draining: { sign: '⇣', word: 'Draining', tone: 'busy' },
  stopped: { sign: '■', word: 'Stopped', tone: 'calm' },
  suspended: { sign: '‖', word: 'Suspended', tone: 'calm' },
  sidecarSilent: { sign: '…', word: 'Sidecar silent, Envoy serving', tone: 'busy' },
  lost: { sign: '✖', word: 'Lost', tone: 'bad' },
  outside: { sign: '⚠', word: 'Outside', tone: 'bad' },
  notSeen: { sign: '○', word: 'Not seen yet', tone: 'calm' },
  forgotten: { sign: '◌', word: 'Forgotten', tone: 'calm' },
};
const CLUSTER_STATES = {
  starting: { sign: '↻', word: 'Starting', tone: 'busy' },
  converging: { sign: '↻', word: 'Converging', tone: 'busy' },
  converged: { sign: '✔', word: 'Converged', tone: 'good' },
  alone: { sign: '⚠', word: 'Alone', tone: 'bad' },
  stopped: { sign: '■', word: 'Stopped', tone: 'calm' },
};
const ABSENCES = {
  draining: 'draining',
  stopped: 'stopped',
  ruleDisabled: 'rule disabled there',
  serviceDown: 'service down',
  weightZero: 'load weight 0',
  lost: 'lost',
  notListed: 'not in the rule',
  standby: 'on standby (failback never)',
};
const FILTERING_MODES = { multiple: 'multiple hosts', single: 'single host', disabled: 'disabled' };
const AFFINITIES = { none: 'affinity none', single: 'affinity single', classC: 'affinity class C' };
const ENVOY_STATES = {
  starting: 'Envoy is starting',
  serving: 'Envoy serves',
  down: 'Envoy is down',
  notOurs: 'an Envoy that is not ours',
};

// ---- small tools ----------------------------------------------------------------------------------------------------

const byId = (id) => document.getElementById(id);

/** A state newer than this page is shown by its own name rather than not at all. */
const shown = (states, state) => states[state] ?? { sign: '?', word: state, tone: 'calm' };

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setState(element, { sign, word, tone }) {
  setText(element, word);
  element.dataset.sign = sign;
  element.className = `state ${tone}`;
}

/** Makes an element: make('p', 'meta', 'text'). */
function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/**
 * Brings `parent`'s children in line with `items`: one child per key, in the order of the items, made once by
 * `create()` and from then on only updated by `update(parts, item)`. Bounded by the hosts and rules of a cluster (32).
 */
const keptBy = new WeakMap();
function keep(parent, items, keyOf, create, update) {
  const kept = keptBy.get(parent) ?? new Map();
  keptBy.set(parent, kept);
  const keys = new Set(items.map(keyOf));
  for (const [key, parts] of kept) {
    if (keys.has(key)) continue;
    parts.element.remove();
    kept.delete(key);
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    if (!kept.has(key)) kept.set(key, create(item));
    const parts = kept.get(key);
    if (parent.children[index] !== parts.element) parent.insertBefore(parts.element, parent.children[index] ?? null);
    update(parts, item);
  });
}

const percent = (share) => `${(share * 100).toFixed(1)} %`;
const count = (n, one, many) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

/** `21:04:05`, with the date where it was not today; in the reader's own time zone. */
function clockTime(date) {
  const time = date.toLocaleTimeString('en-GB');
  return date.toDateString() === new Date().toDateString() ? time : `${date.toLocaleDateString('sv-SE')} ${time}`;
}
const sinceText = (iso) => `since ${clockTime(new Date(iso))} (${duration(Date.now() - Date.parse(iso))})`;

// ---- hosts ----------------------------------------------------------------------------------------------------------

function createHost() {
  const element = make('li', 'host');
  const title = make('div', 'host-title');
  const name = make('h3');
  const state = make('span', 'state');
  const since = make('p', 'meta');
  const meta = make('p', 'meta');
  const detail = make('p', 'detail');
  const actions = createActions();
  title.append(name, state);
  element.append(title, since, meta, detail, actions.element);
  return { element, name, state, since, meta, detail, actions };
}

function updateHost(parts, host) {
  const state = shown(HOST_STATES, host.state);
  parts.element.dataset.tone = state.tone;
  parts.element.dataset.host = host.name;
  setText(parts.name, host.name);
  setState(parts.state, state);
  setText(
    parts.since,
    host.state === 'notSeen' ? 'listed in the file' : `${state.word.toLowerCase()} ${sinceText(host.since)}`,
  );
  const roles = [host.isThisHost && 'this host', host.isDefaultHost && 'default host'].filter(Boolean);
  setText(parts.meta, [host.dedicatedIp, `priority ${host.priority}`, ...roles].join(' · '));
  setText(parts.detail, host.detail ?? '');
  parts.detail.hidden = host.detail === null;
  updateHostActions(parts.actions, host);
}

// ---- port rules -----------------------------------------------------------------------------------------------------

function createRule(openAtFirst) {
  const element = make('details', 'rule');
  element.open = openAtFirst;
  const summary = make('summary');
  const name = make('h3');
  const kind = make('span', 'meta');
  const brief = make('span', 'meta number');
  const table = make('table');
  const head = make('thead');
  const headRow = make('tr');
  for (const title of ['Host', '', 'Expected', 'Measured', 'Connections']) {
    const cell = make('th', title === 'Host' ? '' : title === '' ? 'bar-cell' : 'number', title);
    cell.scope = 'col';
    headRow.append(cell);
  }
  const body = make('tbody');
  const counts = make('p', 'meta counts');
  const texts = make('div', 'rule-title');
  texts.append(name, kind, brief);
  summary.append(texts);
  head.append(headRow);
  table.append(head, body);
  element.append(summary, table, counts);
  return { element, name, kind, brief, body, counts };
}

function updateRule(parts, rule) {
  const ports = rule.portFirst === rule.portLast ? `${rule.portFirst}` : `${rule.portFirst}-${rule.portLast}`;
  const taking = rule.hosts.filter((host) => host.takesPart).length;
  const refused = Object.values(rule.refusedCounts).reduce((sum, n) => sum + n, 0);
  parts.element.dataset.rule = rule.name;
  setText(parts.name, rule.name);
  const where = rule.virtualIp === null ? '' : ` on ${rule.virtualIp}`;
  const affinity = rule.filteringMode === 'multiple' ? ` · ${AFFINITIES[rule.affinity] ?? rule.affinity}` : '';
  const mode = FILTERING_MODES[rule.filteringMode] ?? rule.filteringMode;
  setText(parts.kind, `port ${ports}/${rule.protocol}${where} · ${mode}${affinity}`);
  setText(parts.brief, `${taking} of ${rule.hosts.length} take part`);
  keep(
    parts.body,
    rule.hosts,
    (host) => host.host,
    createRuleHost,
    (row, host) => updateRuleHost(row, host, rule),
  );
  const reasons = Object.entries(rule.refusedCounts)
    .filter(([, n]) => n > 0)
    .map(([reason, n]) => `${reason} ${n}`);
  const why = reasons.length > 0 ? ` (${reasons.join(', ')})` : '';
  setText(
    parts.counts,
    `${count(rule.openCount, 'open connection', 'open connections')} · ` +
      `${count(rule.fallbackCount, 'fallback', 'fallbacks')} · ${refused.toLocaleString('en')} refused${why}`,
  );
}

function createRuleHost() {
  const element = make('tr');
  const name = make('th');
  name.scope = 'row';
  const barCell = make('td', 'bar-cell');
  const bar = make('div', 'bar');
  bar.setAttribute('aria-hidden', 'true'); // the numbers beside it say the same
  bar.append(make('div', 'bar-fill'), make('div', 'bar-mark'));
  const absence = make('span', 'absent');
  const expected = make('td', 'number expected');
  const measured = make('td', 'number measured');
  const connections = make('td', 'number');
  const actions = createActions();
  barCell.append(bar);
  element.append(name, barCell, expected, measured, connections);
  return { element, name, bar, absence, expected, measured, connections, actions };
}

/** `weight 60`, `handling priority 1`: what the rule gives a host where that is not the same for all. */
function ownSetting(host, rule) {
  if (rule.filteringMode === 'single' && host.takesPart) return ` · priority ${host.handlingPriority}`;
  const weights = new Set(rule.hosts.filter((other) => other.takesPart).map((other) => other.loadWeight));
  return host.takesPart && weights.size > 1 ? ` · weight ${host.loadWeight}` : '';
}

function updateRuleHost(parts, host, rule) {
  const why = host.control === 'draining' ? 'rule draining there' : ABSENCES[host.absence];
  const part = host.standsInFor == null ? '' : ` · stands in for ${host.standsInFor}`;
  setText(parts.absence, host.takesPart ? part : ` · ${why ?? 'does not take part'}`);
  const label = `${host.host}${ownSetting(host, rule)}`;
  if (parts.label !== label) {
    parts.label = label;
    parts.name.replaceChildren(label, parts.absence, parts.actions.element);
  }
  updateRuleActions(parts.actions, host, rule);
  parts.bar.style.setProperty('--expected', percent(host.expectedShare).replace(' ', ''));
  parts.bar.style.setProperty('--measured', percent(host.measuredShare ?? 0).replace(' ', ''));
  setText(parts.expected, percent(host.expectedShare));
  setText(parts.measured, host.measuredShare === null ? 'none yet' : percent(host.measuredShare));
  setText(parts.connections, host.connectionCount.toLocaleString('en'));
}

// ---- the whole ------------------------------------------------------------------------------------------------------

function thisHostFacts(status) {
  const { envoy, file } = status;
  const dropped = Object.entries(status.droppedPackets)
    .filter(([, n]) => n > 0)
    .map(([reason, n]) => `${reason} ${n}`);
  const took = envoy.tookConfiguration
    ? 'has in force what the sidecar wrote'
    : 'has NOT taken what the sidecar wrote last';
  const version = envoy.version === null ? '' : ` ${envoy.version}`;
  const pid = envoy.pid === null ? '' : `, pid ${envoy.pid}`;
  return [
    ['Name', status.thisHost],
    ...(status.drain ? [['Draining', drainText(status.drain)]] : []),
    ['Sidecar', `running ${sinceText(status.startedAt)}`],
    [
      'Envoy',
      `${ENVOY_STATES[envoy.state] ?? envoy.state}${version}${pid}; ${took}${envoy.detail ? `: ${envoy.detail}` : ''}`,
    ],
    ...(status.virtualIp ? [['Virtual IPs', virtualIpText(status)]] : []),
    ['File', `${file.path}, fingerprint ${file.fingerprint}${file.detail ? `; ${file.detail}` : ''}`],
    [
      'Offered',
      file.offered === null ? 'nothing: the file is in force' : `${file.offered}, waiting for the other hosts`,
    ],
    ['Dropped packets', dropped.length === 0 ? 'none' : dropped.join(', ')],
  ];
}

/** Who holds them, and whether its kernel passes on what is not its own. */
function virtualIpText({ virtualIp, mode }) {
  const { addresses, holder, since, kernelProblem } = virtualIp;
  const held = holder === null ? 'held by no host that is heard' : `held by ${holder} ${since ? sinceText(since) : ''}`;
  const who = mode === 'arp' ? held : 'on every host';
  return `${addresses.join(', ')}, ${who}; ${kernelProblem ?? 'the kernel passes connections on to their owners'}`;
}

/** How many connections a draining host still has, and the client that is seen longest. */
function drainText({ since, endsAt, enteredCount, handedHereCount, oldest }) {
  const until = endsAt === null ? '' : `, until ${clockTime(new Date(endsAt))} at most`;
  if (enteredCount === null) return `${sinceText(since)}${until}; Envoy does not say what is left`;
  const left = count(enteredCount + handedHereCount, 'connection', 'connections');
  const clients = oldest.slice(0, 3).map(({ client, seenForS }) => `${client} (seen for ${duration(seenForS * 1000)})`);
  const from = clients.length === 0 ? '' : `; longest: ${clients.join(', ')}`;
  return `${sinceText(since)}${until}: ${left} left, ${handedHereCount} of them handed here by other hosts${from}`;
}

function createFact([name]) {
  // A dt and its dd need one parent for keep(); `display: contents` leaves them to the grid of the list.
  const element = make('div');
  element.style.display = 'contents';
  const value = make('dd');
  element.append(make('dt', '', name), value);
  return { element, value };
}

function problemText({ since, text, todo }) {
  return `${clockTime(new Date(since))}  ${text}${todo == null ? '' : ` → ${todo}`}`;
}

function show(status) {
  const state = shown(CLUSTER_STATES, status.state);
  const inView = status.hosts.filter((host) => host.state === 'converged').length;
  setText(byId('cluster-name'), status.clusterName);
  setState(byId('cluster-state'), state);
  document.title = `${state.sign} ${status.clusterName}: ${state.word}, ${inView} of ${status.hosts.length} hosts`;
  const view = status.view;
  const viewText = view === null ? 'no view agreed yet' : `view ${view.number} ${sinceText(view.since)}: ${view.cause}`;
  setText(
    byId('cluster-facts'),
    `${inView} of ${status.hosts.length} hosts converged, as ${status.thisHost} sees it · mode ${status.mode} · ${viewText}`,
  );
  byId('problems').hidden = status.problems.length === 0;
  keep(
    byId('problem-list'),
    status.problems,
    (problem) => `${problem.since} ${problem.text}`,
    (problem) => ({ element: make('li', 'bad', problemText(problem)) }),
    () => {},
  );
  keep(byId('host-list'), status.hosts, (host) => host.name, createHost, updateHost);
  const openAtFirst = status.rules.length <= OPEN_RULES_MAX;
  keep(
    byId('rule-list'),
    status.rules,
    (rule) => rule.name,
    () => createRule(openAtFirst),
    updateRule,
  );
  keep(
    byId('this-host'),
    thisHostFacts(status),
    ([name]) => name,
    createFact,
    (parts, [, text]) => setText(parts.value, text),
  );
  byId('content').hidden = false;
}

/** When the sidecar was heard last; null before the first time. */
let heardAt = null;
const openedAt = new Date();

/** Says that what is shown is the past; called again and again, so that the seconds count on. */
function showSilence(reason) {
  const since = heardAt ?? openedAt;
  const what = heardAt === null ? 'Nothing is known yet.' : 'Below is what it said last.';
  // The text is announced once; the seconds stand apart so that a screen reader does not count along.
  setText(byId('silence-text'), `No answer since ${clockTime(since)}: ${reason}. ${what}`);
  setText(byId('silence-age'), `(${duration(Date.now() - since.getTime())})`);
  byId('silence').hidden = false;
  document.body.classList.add('stale');
  document.title = `✖ no answer: ${byId('cluster-name').textContent}`;
}

function take(status) {
  show(status);
  heardAt = new Date();
  byId('silence').hidden = true;
  document.body.classList.remove('stale');
}

/** Resolves when the stream has ended: the sidecar is gone, or has nothing more to say to this token. */
async function follow(signal) {
  await getAccess(signal);
  const response = await ask('GET', 'events', signal);
  if (!response.ok || response.body === null) throw await refusalOf(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return null;
    const events = (text + value).split('\n\n');
    text = events.pop() ?? '';
    const last = events.findLast((event) => event.includes('data: '));
    if (last !== undefined) take(JSON.parse(last.slice(last.indexOf('data: ') + 'data: '.length)));
  }
}

/** The connection that is listened to now; given up where nothing at all comes by it. */
let end = new AbortController();
let silentForMs = 0;
/** What the sidecar said in place of a status; null where it said nothing. */
let whyNot = null;

function tick() {
  const isSilent = byId('sign-in').hidden && Date.now() - (heardAt ?? openedAt).getTime() > SILENCE_MS;
  silentForMs = isSilent ? silentForMs + TICK_MS : 0;
  if (isSilent) showSilence(whyNot ?? 'the sidecar of this host is not reachable');
  if (silentForMs < ASK_ANEW_MS) return;
  silentForMs = 0;
  end.abort();
}

async function listen() {
  for (;;) {
    end = new AbortController();
    whyNot = await follow(end.signal).catch((error) => (error instanceof Refused ? error.message : null));
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}

setInterval(tick, TICK_MS);
void listen();
