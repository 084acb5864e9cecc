/** Services that differ between hosts, that are reached past Envoy, or that relay for strangers. Pure. */
import type { HostName } from '../protocol/types.js';
import { type DoctorFinding, type Examined, hostsText, listText, type ServiceFacts } from './facts.js';

const DAY_MS = 86_400_000;
/** Certificates are renewed a month before; two weeks before their end somebody has to look. */
const CERTIFICATE_DAYS_MIN = 14;

interface OnHost {
  host: HostName;
  facts: ServiceFacts;
}

export function judgeServices(examined: readonly Examined[], nowIso: string): DoctorFinding[] {
  const rules = new Map<string, OnHost[]>();
  for (const { facts } of examined) {
    for (const service of facts.services) {
      rules.set(service.rule, [...(rules.get(service.rule) ?? []), { host: facts.host, facts: service }]);
    }
  }
  return [
    ...[...rules].flatMap(([rule, services]) => [
      ...differing(rule, services),
      ...services.flatMap((service) => ofOne(rule, service, nowIso)),
    ]),
    ...examined.flatMap(({ facts }) =>
      facts.onDisabledPorts.map(({ rule, socket }) => ({
        check: 'pastEnvoy',
        host: facts.host,
        text: `host ${facts.host}: rule ${rule} is disabled, and something listens on its port: ${socket}`,
        todo: 'stop it, or let it listen on 127.0.0.1 alone',
      })),
    ),
  ];
}

function ofOne(rule: string, { host, facts }: OnHost, nowIso: string): DoctorFinding[] {
  const found: DoctorFinding[] = [];
  const say = (check: string, text: string, todo: string): void => {
    found.push({ check, host, text: `host ${host}: the service of rule ${rule} ${text}`, todo });
  };
  if (facts.failure !== null) {
    const wasSeen = facts.smtp !== null || facts.certificateEnds !== null;
    const what = wasSeen ? 'ends the session when it is looked at' : 'cannot be looked at';
    say('service', `(${facts.address}) ${what}: ${facts.failure}`, wasSeen ? 'its log says why' : 'is it running?');
  }
  if (facts.exposed.length > 0) {
    const todo = `let it listen on 127.0.0.1 or a unix socket, or keep strangers off by the firewall`;
    say('pastEnvoy', `is reached past Envoy: it listens on ${listText(facts.exposed)}`, todo);
  }
  if (facts.smtp?.relays === true) {
    say(
      'relay',
      'takes mail from a stranger for a stranger: it is an open relay',
      'restrict relaying now; see docs/mail.md',
    );
  }
  if (facts.certificateEnds !== null) {
    const days = Math.floor((Date.parse(facts.certificateEnds) - Date.parse(nowIso)) / DAY_MS);
    const when = days < 0 ? `ended ${-days} days ago` : `ends in ${days} days`;
    if (days < CERTIFICATE_DAYS_MIN) say('certificate', `shows a certificate that ${when}`, 'renew it on this host');
  }
  return found;
}

/** What one host offers and another does not, or offers otherwise. */
function differing(rule: string, services: readonly OnHost[]): DoctorFinding[] {
  const mail = services.filter(({ facts }) => facts.smtp !== null);
  const found = offersDiffer(mail.map(({ host, facts }) => ({ host, offers: facts.smtp!.offers })));
  const behindTls = offersDiffer(
    mail.flatMap(({ host, facts }) => (facts.smtp!.offersTls ? [{ host, offers: facts.smtp!.offersTls }] : [])),
  );
  // What differs before TLS in the same way is said once.
  found.push(...behindTls.filter((text) => !found.includes(text)).map((text) => `${text} (after STARTTLS)`));
  const relaying = mail.filter(({ facts }) => facts.smtp!.relays === true).map(({ host }) => host);
  const closed = mail.filter(({ facts }) => facts.smtp!.relays === false).map(({ host }) => host);
  if (relaying.length > 0 && closed.length > 0) {
    const does = (hosts: readonly HostName[], one: string, more: string): string =>
      `${hostsText(hosts)} ${hosts.length === 1 ? one : more}`;
    found.push(`${does(relaying, 'relays', 'relay')} for strangers, ${does(closed, 'does not', 'do not')}`);
  }
  const todo = `a client meets all hosts: give the services of rule ${rule} the same settings`;
  return found.map((text) => ({ check: 'servicesDiffer', host: null, text: `rule ${rule}: ${text}`, todo }));
}

function offersDiffer(services: readonly { host: HostName; offers: Record<string, string> }[]): string[] {
  const keywords = new Set(services.flatMap(({ offers }) => Object.keys(offers)));
  return [...keywords].sort().flatMap((keyword) => {
    const values = new Map<string | null, HostName[]>();
    for (const { host, offers } of services) {
      const value = offers[keyword] ?? null;
      values.set(value, [...(values.get(value) ?? []), host]);
    }
    return values.size > 1 ? [offerText(keyword, values)] : [];
  });
}

/** The few first: `host mail2 offers SIZE 10240000, hosts mail1 and mail3 52428800`. */
function offerText(keyword: string, values: ReadonlyMap<string | null, HostName[]>): string {
  const groups = [...values].sort(([, a], [, b]) => a.length - b.length || (a[0]! < b[0]! ? -1 : 1));
  const [first, ...others] = groups.map(([value, hosts]) => ({
    value,
    who: hostsText(hosts),
    isOne: hosts.length === 1,
  }));
  const { value, who, isOne } = first!;
  const head =
    value === null
      ? `${who} ${isOne ? 'does' : 'do'} not offer ${keyword}`
      : `${who} ${isOne ? 'offers' : 'offer'} ${`${keyword} ${value}`.trim()}`;
  const tails = others.map((other) => {
    if (other.value === null) return `${other.who} ${other.isOne ? 'does' : 'do'} not`;
    if (value === null)
      return `${other.who} ${other.isOne ? 'does' : 'do'}${other.value === '' ? '' : ` (${other.value})`}`;
    return `${other.who} ${other.value === '' ? 'without a value' : other.value}`;
  });
  return [head, ...tails].join(', ');
}
