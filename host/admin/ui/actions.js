// What the page can do to hosts and to port rules on a host, as buttons made from two tables: a new verb is one line. What
// hurts is asked about first, with what it does.

import { ask, mayControl } from './access.js';

const SERVES = ['converged', 'converging', 'sidecarSilent'];

/** `when`: the states it makes sense in. `asks`: what happens, asked before; `hurts`: connections end. */
const HOST_VERBS = [
  { verb: 'start', word: 'Start', when: ['stopped', 'draining'] },
  { verb: 'resume', word: 'Resume', when: ['suspended'] },
  {
    verb: 'drainstop',
    word: 'Drainstop',
    when: SERVES,
    asks: 'It takes no new connections and stops when the open ones have ended.',
  },
  {
    verb: 'stop',
    word: 'Stop',
    when: [...SERVES, 'draining'],
    hurts: true,
    asks: 'Its open connections end at once. Drainstop lets them finish.',
  },
  {
    verb: 'suspend',
    word: 'Suspend',
    when: [...SERVES, 'draining', 'stopped'],
    hurts: true,
    asks: 'It stops at once, its open connections end, and it takes no verb but resume until then.',
  },
];
/** `when`: what an administrator wants of the rule there now. */
const RULE_VERBS = [
  { verb: 'enable', word: 'Enable', when: ['disabled', 'draining'] },
  {
    verb: 'drain',
    word: 'Drain',
    when: ['enabled'],
    asks: 'It takes no new connections of the rule; the open ones finish.',
  },
  {
    verb: 'disable',
    word: 'Disable',
    when: ['enabled', 'draining'],
    hurts: true,
    asks: 'Its open connections of the rule end at once. Drain lets them finish.',
  },
];

const byId = (id) => document.getElementById(id);

export function createActions() {
  const element = document.createElement('div');
  element.className = 'actions';
  return { element, buttons: new Map() };
}

export function updateHostActions(parts, host) {
  update(parts, HOST_VERBS, host.state, (action) => ({
    title: `${action.word} host ${host.name}?`,
    path: `hosts/${encodeURIComponent(host.name)}/${action.verb}`,
    label: `${action.word} host ${host.name}`,
  }));
}

export function updateRuleActions(parts, part, rule) {
  update(parts, RULE_VERBS, part.control, (action) => ({
    title: `${action.word} port rule ${rule.name} on ${part.host}?`,
    path: `hosts/${encodeURIComponent(part.host)}/${action.verb}?port=${rule.portFirst}&vip=${rule.virtualIp ?? 'all'}`,
    label: `${action.word} port rule ${rule.name} on ${part.host}`,
  }));
}

function update({ element, buttons }, verbs, state, aimOf) {
  element.hidden = !mayControl();
  if (element.hidden) return;
  for (const action of verbs) {
    if (!buttons.has(action.verb)) buttons.set(action.verb, createButton(element, action));
    const kept = buttons.get(action.verb);
    kept.aim = aimOf(action);
    kept.button.hidden = !action.when.includes(state);
    kept.button.setAttribute('aria-label', kept.aim.label);
  }
}

function createButton(parent, action) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = action.hurts ? 'action hurts' : 'action';
  button.textContent = action.word;
  button.dataset.verb = action.verb;
  const kept = { button, aim: null };
  button.onclick = async () => {
    const { aim } = kept;
    if (action.asks !== undefined && !(await confirmed(action, aim.title))) return;
    button.disabled = true;
    await carryOut(aim);
    button.disabled = false;
  };
  parent.append(button);
  return kept;
}

/** Resolves with what the person chose; Escape is no. */
function confirmed(action, title) {
  const dialog = byId('confirm');
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = action.asks;
  const yes = byId('confirm-yes');
  yes.textContent = action.word;
  yes.className = action.hurts ? 'action hurts' : 'action';
  return new Promise((resolve) => {
    const close = (answer) => {
      dialog.close();
      resolve(answer);
    };
    yes.onclick = () => close(true);
    byId('confirm-no').onclick = () => close(false);
    dialog.oncancel = () => resolve(false);
    dialog.showModal();
    byId('confirm-no').focus();
  });
}

async function carryOut({ path, label }) {
  say(`${label} …`, 'busy');
  try {
    const response = await ask('POST', path);
    const answer = await response.json();
    say(answer.text, answer.ok ? 'good' : 'bad');
  } catch {
    say(`${label}: no answer. Look at the hosts before you try again: it may have been done.`, 'bad');
  }
}

function say(text, tone) {
  const said = byId('said');
  byId('said-text').textContent = text;
  said.className = `notice ${tone}`;
  said.hidden = false;
}

byId('said-away').onclick = () => {
  byId('said').hidden = true;
};
