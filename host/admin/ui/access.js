// Who looks at the page and what they may: everybody reads it on loopback; over remote control a token says who it is. The
// token is kept for this tab alone (sessionStorage), goes out in a header and never in an address.

const KEPT_AS = 'nlb-token';
const ROLES = ['read', 'control', 'configure'];

let role = 'read';

export const mayControl = () => ROLES.indexOf(role) >= ROLES.indexOf('control');

/** A question to the sidecar that served the page. */
export function ask(method, path, signal) {
  const token = sessionStorage.getItem(KEPT_AS);
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  return fetch(path, { method, headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' });
}

/** The sidecar is there and says no. */
export class Refused extends Error {}

export async function refusalOf(response) {
  const said = await response.json().catch(() => null);
  return new Refused(said?.text ?? `it answers ${response.status}`);
}

const byId = (id) => document.getElementById(id);

/** Asks until the sidecar says what this page may; a person is asked for a token where it takes one. */
export async function getAccess(signal) {
  const response = await ask('GET', 'access', signal);
  if (response.status === 401) {
    const had = sessionStorage.getItem(KEPT_AS) !== null;
    sessionStorage.removeItem(KEPT_AS);
    showAccess(null);
    await signIn(had ? 'The token is not valid here (any more).' : '');
    return getAccess(signal);
  }
  if (!response.ok) throw await refusalOf(response);
  const access = await response.json();
  role = access.role;
  showAccess(access);
}

function showAccess(access) {
  const isSignedIn = access !== null && access.by !== null;
  byId('access').hidden = !isSignedIn;
  if (isSignedIn) byId('access-text').textContent = `${access.by} · may ${MAY[access.role] ?? access.role}`;
  byId('read-only').hidden = mayControl();
  if (isSignedIn) byId('read-only').textContent = 'This token may look and change nothing. ';
}

const MAY = { read: 'look', control: 'control hosts', configure: 'control hosts and change the cluster' };

/** Resolves when somebody has given a token. */
function signIn(refusal) {
  const form = byId('sign-in');
  byId('sign-in-refused').textContent = refusal;
  byId('sign-in-refused').hidden = refusal === '';
  byId('content').hidden = true;
  byId('silence').hidden = true;
  byId('read-only').hidden = true;
  form.hidden = false;
  byId('token').focus();
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const token = byId('token').value.trim();
      byId('token').value = '';
      if (token === '') return;
      sessionStorage.setItem(KEPT_AS, token);
      form.hidden = true;
      resolve();
    };
  });
}

byId('sign-out').onclick = () => {
  sessionStorage.removeItem(KEPT_AS);
  location.reload();
};
