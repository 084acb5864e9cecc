/** What `nlb init` has to know: from flags, and asked for where flags leave it out. */
import type { Call } from './args.js';
import { CliError, EXIT } from './exit-codes.js';
import type { Terminal } from './terminal.js';

export interface Named {
  name: string;
  value: string;
}

export interface InitAnswers {
  cluster: string;
  /** In order of priority; value is the dedicated address. */
  hosts: Named[];
  /** Value is the port or port range. */
  rules: Named[];
  service: string;
  proxyProtocol: string;
  affinity: string;
  mode: string;
  /** Where there are some, rules listen on these. */
  virtualIps: string[];
}

/** One question: the flag that answers it, and what a person is asked. */
interface Question {
  flag: string;
  expected: string;
  question: string;
}

const CLUSTER: Question = {
  flag: 'cluster',
  expected: 'a full internet name such as mail.example.org',
  question: 'Full internet name of the cluster (mail.example.org): ',
};
const HOSTS: Question = {
  flag: 'host',
  expected: 'NAME=ADDRESS such as mail1=10.0.0.11, once for each host',
  question: 'Hosts in order of priority (mail1=10.0.0.11 mail2=10.0.0.12): ',
};
const RULES: Question = {
  flag: 'rule',
  expected: 'NAME=PORTS such as smtp=25 or web=8000-8099, once for each port rule',
  question: 'Port rules (smtp=25): ',
};
const SERVICE: Question = {
  flag: 'service',
  expected: 'an address such as 127.0.0.1:2525 or unix:/run/smtp.sock',
  question: 'Where the service itself listens (127.0.0.1:2525): ',
};
const PROXY_PROTOCOL: Question = {
  flag: 'proxy-protocol',
  expected: "v2, v1 or none: with none the service sees Envoy's address in place of the client's",
  question: "PROXY protocol that the service reads, v2, v1 or none (none hides the client's address): ",
};

/** @throws CliError usage, naming everything that is missing at once where nobody can be asked */
export async function answersOf(call: Call, terminal: Terminal): Promise<InitAnswers> {
  const ask = terminal.ask;
  if (ask === null) refuseMissing(call);
  const one = async (question: Question): Promise<string> => {
    const given = call.text(question.flag);
    return given ?? (await askUntil(ask!, question, terminal));
  };
  const several = async (question: Question): Promise<Named[]> => {
    const given = call.texts(question.flag);
    const texts = given.length > 0 ? given : (await askUntil(ask!, question, terminal)).split(/[\s,]+/);
    return texts.filter((text) => text !== '').map((text) => namedOf(text, question));
  };
  return {
    cluster: await one(CLUSTER),
    hosts: await several(HOSTS),
    rules: await several(RULES),
    service: await one(SERVICE),
    proxyProtocol: await one(PROXY_PROTOCOL),
    affinity: call.text('affinity') ?? 'single',
    mode: call.text('mode') ?? 'routed',
    virtualIps: call.texts('virtual-ip'),
  };
}

function refuseMissing(call: Call): void {
  const missing = [CLUSTER, HOSTS, RULES, SERVICE, PROXY_PROTOCOL].filter(({ flag }) => !call.has(flag));
  if (missing.length === 0) return;
  const lines = missing.map(({ flag, expected }) => `\n  --${flag} is missing, expected ${expected}`);
  throw new CliError(EXIT.usage, `this is no terminal where questions could be asked, and${lines.join('')}`);
}

async function askUntil(
  ask: (question: string) => Promise<string>,
  asked: Question,
  terminal: Terminal,
): Promise<string> {
  // BOUNDED: somebody who presses Enter for ever, or an end of input, is let go after three tries.
  for (let tries = 0; tries < 3; tries++) {
    const answer = (await ask(asked.question)).trim();
    if (answer !== '') return answer;
    terminal.err(`Expected ${asked.expected}\n`);
  }
  throw new CliError(EXIT.usage, `--${asked.flag} is missing, expected ${asked.expected}`);
}

function namedOf(text: string, { flag, expected }: Question): Named {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) throw new CliError(EXIT.usage, `--${flag} is ${text}, expected ${expected}`);
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}
