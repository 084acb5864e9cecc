/** Every mistake that a cluster file can have, and the whole sentence that is said of it. */
import { describe, expect, test } from 'vitest';
import { changed, errorsOf } from './config-fixture.js';

interface Mistake {
  what: string;
  edits: [from: string, to: string][];
  /** Line, column, sentence. */
  says: string[];
}

const MISTAKES: Mistake[] = [
  {
    what: 'broken YAML',
    edits: [['mode: routed', 'mode: [routed']],
    says: [
      '3:1: this is not well-formed YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
  },
  {
    what: 'a tab for indentation',
    edits: [['    ports: 25', '	ports: 25']],
    says: [
      '10:1: this is not well-formed YAML: Tabs are not allowed as indentation',
      '10:9: this is not well-formed YAML: Nested mappings are not allowed in compact mappings',
      '10:9: this is not well-formed YAML: Implicit keys need to be on a single line',
      '12:1: this is not well-formed YAML: A block sequence may not be used as an implicit map key',
      '12:3: this is not well-formed YAML: Implicit keys need to be on a single line',
      '12:3: this is not well-formed YAML: Implicit map keys need to be followed by map values',
    ],
  },
  {
    what: 'a key that stands twice',
    edits: [['mode: routed', 'mode: routed\nmode: routed']],
    says: ['3:1: mode stands here for the second time in one map, expected each key once'],
  },
  {
    what: 'two documents in one file',
    edits: [['mode: routed', '---\nmode: routed']],
    says: ['2:1: the file holds several YAML documents (---), expected one'],
  },
  {
    what: 'a tag that is not known',
    edits: [['mode: routed', 'mode: !secret routed']],
    says: ['2:7: the file has a YAML tag that means nothing here: Unresolved tag: !secret'],
  },
  {
    what: 'an unknown key',
    edits: [['mode: routed', 'mode: routed\nhearbeat: {}']],
    says: ['3:1: hearbeat is a key that is not known: did you mean heartbeat?'],
  },
  {
    what: 'an unknown key near to none',
    edits: [['mode: routed', 'mode: routed\ncolour: red']],
    says: [
      '3:1: colour is a key that is not known: expected one of cluster, mode, listenOn, virtualIps, hashSeed, ipv6PrefixLength, keyFile, interface, failback, outgoing, heartbeat, ports, otherPorts, remoteControl, connectionLog, hosts, portRules',
    ],
  },
  {
    what: 'remote control on a port of the sidecar, with half a certificate',
    edits: [['mode: routed', 'mode: routed\nremoteControl: {port: 7621, certificate: a.crt, names: [UPPER]}']],
    says: [
      '3:23: remoteControl.port is 7621, expected a port of its own: ports.channel is 7621 too, and both are TCP',
      '3:42: remoteControl.certificate stands alone, expected privateKey beside it, or neither',
      '3:57: remoteControl.names[0] is "UPPER", expected a name in lower case such as mail1.example.org',
    ],
  },
  {
    what: 'a rule on the port of remote control',
    edits: [
      ['mode: routed', 'mode: routed\nremoteControl: {}'],
      ['ports: 25', 'ports: 7623'],
    ],
    says: ['11:12: portRules[0].ports is 7623, expected ports without 7623, which is remoteControl.port on 10.0.0.11'],
  },
  {
    what: 'an unknown key in a rule',
    edits: [['ports: 25', 'ports: 25\n    load-weight: equal']],
    says: ['11:5: portRules[0].load-weight is a key that is not known: did you mean loadWeight?'],
  },
  {
    what: 'an unknown key in a check',
    edits: [['v2}', 'v2, check: {period: 3}}']],
    says: ['11:74: portRules[0].service.check.period is a key that is not known: did you mean periodMs?'],
  },
  {
    what: 'a missing key',
    edits: [['hashSeed: 0x5eed1234\n', '']],
    says: [
      '1:1: hashSeed is missing, expected a whole number 0-4294967295 (0x00000000-0xffffffff), made by `nlb init`',
    ],
  },
  {
    what: 'a mode of later',
    edits: [['mode: routed', 'mode: unicast']],
    says: [
      '2:7: mode is "unicast", expected routed, arp or multicast: no MAC address is shared here; mode arp keeps the virtual IP and asks nothing of switches either',
    ],
  },
  {
    what: 'no mode at all',
    edits: [['mode: routed\n', '']],
    says: ['1:1: mode is missing, expected routed, arp or multicast'],
  },
  {
    what: 'another mode of later',
    edits: [['mode: routed', 'mode: igmp']],
    says: [
      '2:7: mode is "igmp", expected routed, arp or multicast: no IGMP group is joined here; mode multicast is the nearest',
    ],
  },
  {
    what: 'a mode that nobody knows',
    edits: [['mode: routed', 'mode: fast']],
    says: ['2:7: mode is "fast", expected routed, arp or multicast'],
  },
  {
    what: 'no listenOn',
    edits: [['listenOn: dedicatedIp\n', '']],
    says: [
      "1:1: listenOn is missing, expected dedicatedIp (DNS with one address a host) or virtualIp (an upstream router spreads the virtual IPs' clients)",
    ],
  },
  {
    what: 'the kernel datapath',
    edits: [['ports: 25', 'ports: 25\n    datapath: direct']],
    says: [
      '11:5: portRules[0].datapath is not in this version: connections go through Envoy only; the kernel datapath comes in a later version',
    ],
  },
  {
    what: 'a cluster name without a dot',
    edits: [['mail.example.org', 'mail']],
    says: ['1:10: cluster is "mail", expected a full internet name in lower case such as mail.example.org'],
  },
  {
    what: 'a seed that is too large',
    edits: [['0x5eed1234', '0x15eed1234']],
    says: [
      '4:11: hashSeed is 5887562292, expected a whole number 0-4294967295 (0x00000000-0xffffffff), made by `nlb init`',
    ],
  },
  {
    what: 'a seed in quotes',
    edits: [['0x5eed1234', "'0x5eed1234'"]],
    says: [
      '4:11: hashSeed is "0x5eed1234", expected a whole number 0-4294967295 (0x00000000-0xffffffff), made by `nlb init`',
    ],
  },
  {
    what: 'a heartbeat period that is too short',
    edits: [['hosts:', 'heartbeat: {periodMs: 99}\nhosts:']],
    says: ['5:23: heartbeat.periodMs is 99, expected a whole number of milliseconds 100-10000'],
  },
  {
    what: 'a heartbeat period that is too long',
    edits: [['hosts:', 'heartbeat: {periodMs: 10001}\nhosts:']],
    says: ['5:23: heartbeat.periodMs is 10001, expected a whole number of milliseconds 100-10000'],
  },
  {
    what: 'a tolerance that is too small',
    edits: [['hosts:', 'heartbeat: {missedMax: 4}\nhosts:']],
    says: ['5:24: heartbeat.missedMax is 4, expected a whole number 5-100'],
  },
  {
    what: 'a tolerance that is too large',
    edits: [['hosts:', 'heartbeat: {missedMax: 101}\nhosts:']],
    says: ['5:24: heartbeat.missedMax is 101, expected a whole number 5-100'],
  },
  {
    what: 'a host name in upper case',
    edits: [['mail2', 'Mail2']],
    says: ['6:12: hosts[0].name is "Mail2", expected a host name of a-z, 0-9 and inner hyphens, at most 32 characters'],
  },
  {
    what: 'a host priority beyond 32',
    edits: [['priority: 2', 'priority: 33']],
    says: ['6:29: hosts[0].priority is 33, expected a whole number 1-32'],
  },
  {
    what: 'two hosts of one name',
    edits: [['mail1', 'mail2']],
    says: ['7:12: hosts[1].name is mail2, which is taken by hosts[0], expected another host name'],
  },
  {
    what: 'two hosts of one priority',
    edits: [['priority: 1', 'priority: 2']],
    says: ['7:29: hosts[1].priority is 2, which is taken by mail2, expected a free one of 1-32 such as 1'],
  },
  {
    what: 'two hosts of one address',
    edits: [['10.0.0.11', '10.0.0.12']],
    says: [
      '7:45: hosts[1].dedicatedIp is 10.0.0.12, which is taken by mail2, expected an address that belongs to this host alone',
    ],
  },
  {
    what: 'two spellings of one address',
    edits: [
      ['10.0.0.11', 'fd00::b'],
      ['10.0.0.12', 'FD00:0::000B'],
    ],
    says: [
      '7:45: hosts[1].dedicatedIp is fd00::b, which is taken by mail2, expected an address that belongs to this host alone',
    ],
  },
  {
    what: 'an address with a leading zero',
    edits: [['10.0.0.11', '10.0.0.011']],
    says: ['7:45: hosts[1].dedicatedIp is "10.0.0.011", expected an IP address of one host'],
  },
  {
    what: 'an address that no host can have',
    edits: [['10.0.0.11', '224.0.0.1']],
    says: ['7:45: hosts[1].dedicatedIp is "224.0.0.1", expected an IP address of one host'],
  },
  {
    what: 'hosts of two address families',
    edits: [['10.0.0.11', 'fd00::11']],
    says: [
      '7:45: hosts[1].dedicatedIp is "fd00::11", expected an IPv4 address like that of mail2: hosts reach each other by these addresses',
    ],
  },
  {
    what: 'a virtual IP that is a dedicated one',
    edits: [['hosts:', 'virtualIps: [10.0.0.12]\nhosts:']],
    says: [
      '5:14: virtualIps[0] is 10.0.0.12, the dedicatedIp of mail2, expected an address that the hosts share and none has for itself',
    ],
  },
  {
    what: 'a virtual IP listed twice',
    edits: [['hosts:', 'virtualIps: [10.0.0.9, 10.0.0.9]\nhosts:']],
    says: ['5:24: virtualIps[1] is 10.0.0.9, which stands at virtualIps[0], expected each virtual IP once'],
  },
  {
    what: 'rules on virtual IPs that are not there',
    edits: [['dedicatedIp\n', 'virtualIp\n']],
    says: ['1:1: virtualIps names no address, expected at least one address, because listenOn is virtualIp'],
  },
  {
    what: 'a rule on a virtual IP under listenOn dedicatedIp',
    edits: [
      ['hosts:', 'virtualIps: [10.0.0.9]\nhosts:'],
      ['ports: 25', 'ports: 25\n    virtualIp: 10.0.0.9'],
    ],
    says: [
      '12:16: portRules[0].virtualIp is "10.0.0.9", expected no virtualIp, because with listenOn dedicatedIp connections arrive at the address of each host',
    ],
  },
  {
    what: 'a rule on a virtual IP that is not listed',
    edits: [
      ['dedicatedIp\n', 'virtualIp\n'],
      ['hosts:', 'virtualIps: [10.0.0.9]\nhosts:'],
      ['ports: 25', 'ports: 25\n    virtualIp: 10.0.0.8'],
    ],
    says: ['12:16: portRules[0].virtualIp is "10.0.0.8", expected one of virtualIps (10.0.0.9)'],
  },
  {
    what: 'no hosts',
    edits: [
      [
        '  - {name: mail2, priority: 2, dedicatedIp: 10.0.0.12}\n  - {name: mail1, priority: 1, dedicatedIp: 10.0.0.11}\n',
        '',
      ],
    ],
    says: ['5:7: hosts is null, expected a list of 1-32 hosts'],
  },
  {
    what: 'a port that is none',
    edits: [['ports: 25', 'ports: 70000']],
    says: ['10:12: portRules[0].ports is 70000, expected a port 1-65535, or a range such as 1000-1099'],
  },
  {
    what: 'a range that runs backwards',
    edits: [['8000-8099', '8099-8000']],
    says: ['13:12: portRules[1].ports is "8099-8000", expected a port 1-65535, or a range such as 1000-1099'],
  },
  {
    what: 'a service that another host would redirect to its owner again',
    edits: [
      ['8000-8099', '8000-9100'],
      ['{dedicatedIp}:9000', '10.0.0.12:9000'],
    ],
    says: [
      '15:24: portRules[1].service.address is 10.0.0.12:9000 on mail1, where rule web of mail2 listens, expected the address and port of the service itself',
    ],
  },
  {
    what: 'a range that leads to its own listeners',
    edits: [['{dedicatedIp}:9000', '{dedicatedIp}:{port}']],
    says: [
      '15:14: portRules[1].service.check does not say which port to ask, because the address has {port}; expected kind: none, or the port that stands for the others such as {port: 21}',
      '15:24: portRules[1].service.address is 10.0.0.12:8000 on mail2, where rule web of mail2 listens, expected the address and port of the service itself',
    ],
  },
  {
    what: 'a port to check where the address has one',
    edits: [['v2}', 'v2, check: {port: 25}}']],
    says: ['11:74: portRules[0].service.check.port is 25, expected no port, because the address says which'],
  },
  {
    what: 'other ports on addresses that the hosts do not share',
    edits: [['hosts:', 'otherPorts: defaultHost\nhosts:']],
    says: [
      '5:13: otherPorts is "defaultHost", expected entryHost, because with listenOn dedicatedIp every port of an address belongs to its own host',
    ],
  },
  {
    what: 'a rule of a virtual IP on ports of the sidecar',
    edits: [
      ['dedicatedIp\n', 'virtualIp\n'],
      ['hosts:', 'virtualIps: [10.0.0.9]\notherPorts: defaultHost\nhosts:'],
      ['8000-8099', '7600-7700'],
    ],
    says: [
      '15:12: portRules[1].ports is 7600-7700, expected ports without 7620, which is ports.handoff: what is handed off must not arrive for it',
      '15:12: portRules[1].ports is 7600-7700, expected ports without 7624, which is ports.redirect, where rules listen',
    ],
  },
  {
    what: 'rules that overlap',
    edits: [['8000-8099', '20-30']],
    says: [
      '13:12: portRules[1].ports is 20-30, which overlaps rule smtp (25), expected each port in one rule only',
      "15:61: portRules[1].service.proxyProtocol is none on mail port 24: the mail server would see Envoy's own address for every client, and one that trusts loopback becomes an open relay; expected v2 or v1, or trustsNobodyByAddress: true beside it if the service gives no address more rights than others",
    ],
  },
  {
    what: 'rules that overlap on one virtual IP',
    edits: [
      ['dedicatedIp\n', 'virtualIp\n'],
      ['hosts:', 'virtualIps: [10.0.0.9]\nhosts:'],
      ['ports: 25', 'ports: 25\n    virtualIp: 10.0.0.9'],
      ['ports: 8000-8099', 'ports: 20-30\n    virtualIp: 10.0.0.9'],
      ['proxyProtocol: none', 'proxyProtocol: v2'],
    ],
    says: [
      '15:12: portRules[1].ports is 20-30, which overlaps rule smtp (25) on 10.0.0.9, expected each port in one rule a virtual IP',
    ],
  },
  {
    what: 'two rules of one name',
    edits: [['name: web', 'name: smtp']],
    says: ['12:11: portRules[1].name is smtp, which is taken by portRules[0], expected another rule name'],
  },
  {
    what: 'a rule on the handoff port',
    edits: [['8000-8099', '7600-7620']],
    says: ['13:12: portRules[1].ports is 7600-7620, expected ports without 7620, which is ports.handoff on 10.0.0.11'],
  },
  {
    what: 'one port for handoff and channel',
    edits: [['hosts:', 'ports: {handoff: 7621}\nhosts:']],
    says: ['5:8: ports.channel is 7621, expected a port of its own: ports.handoff is 7621 too, and both are TCP'],
  },
  {
    what: 'one port for handoff and page',
    edits: [['hosts:', 'ports: {page: 7620}\nhosts:']],
    says: ['5:15: ports.page is 7620, expected a port of its own: ports.handoff is 7620 too, and both are TCP'],
  },
  {
    what: 'a rule on the page of a host at 127.0.0.1',
    edits: [
      ['10.0.0.11', '127.0.0.1'],
      ['8000-8099', '7622'],
    ],
    says: ['13:12: portRules[1].ports is 7622, expected ports without 7622, which is ports.page on 127.0.0.1'],
  },
  {
    what: 'a service that is the rule itself',
    edits: [['{dedicatedIp}:9000', '{dedicatedIp}:8050']],
    says: [
      '15:24: portRules[1].service.address is 10.0.0.12:8050 on mail2, where rule web of mail2 listens, expected the address and port of the service itself',
    ],
  },
  {
    what: 'a service that is a rule of another host',
    edits: [['{dedicatedIp}:9000', '10.0.0.12:25']],
    says: [
      '15:24: portRules[1].service.address is 10.0.0.12:25 on mail2, where rule smtp of mail2 listens, expected the address and port of the service itself',
      "15:55: portRules[1].service.proxyProtocol is none on mail port 25: the mail server would see Envoy's own address for every client, and one that trusts loopback becomes an open relay; expected v2 or v1, or trustsNobodyByAddress: true beside it if the service gives no address more rights than others",
    ],
  },
  {
    what: 'a service that is the handoff listener',
    edits: [['{dedicatedIp}:9000', '{dedicatedIp}:7620']],
    says: [
      '15:24: portRules[1].service.address is 10.0.0.12:7620 on mail2, where ports.handoff listens, expected the address and port of the service itself',
    ],
  },
  {
    what: 'a service by name',
    edits: [['{dedicatedIp}:9000', 'localhost:9000']],
    says: [
      `15:24: portRules[1].service.address is "localhost:9000", expected address:port, [IPv6 address]:port or unix:/path (at most 107 bytes), with {dedicatedIp} and {name} for the host's own, and {port} for the port of the client's choice`,
    ],
  },
  {
    what: 'a service with an unknown placeholder',
    edits: [['{dedicatedIp}:9000', '{address}:9000']],
    says: [
      `15:24: portRules[1].service.address is "{address}:9000", expected address:port, [IPv6 address]:port or unix:/path (at most 107 bytes), with {dedicatedIp} and {name} for the host's own, and {port} for the port of the client's choice`,
    ],
  },
  {
    what: 'a unix socket that is not absolute',
    edits: [['unix:/run', 'unix:run']],
    says: [
      `11:24: portRules[0].service.address is "unix:run/smtp.sock", expected address:port, [IPv6 address]:port or unix:/path (at most 107 bytes), with {dedicatedIp} and {name} for the host's own, and {port} for the port of the client's choice`,
    ],
  },
  {
    what: 'a unix socket of too long a path',
    edits: [['unix:/run/smtp.sock', `unix:/run/${'x'.repeat(98)}/{name}`]],
    says: [
      '11:24: portRules[0].service.address is too long on mail2, expected a path of at most 107 bytes on every host',
    ],
  },
  {
    what: 'no proxyProtocol',
    edits: [[', proxyProtocol: v2', '']],
    says: [
      "11:14: portRules[0].service.proxyProtocol is missing, expected v2, v1 or none; it has no default, because with none the service sees Envoy's address in place of the client's",
    ],
  },
  {
    what: 'proxyProtocol none on a mail port',
    edits: [['v2', 'none']],
    says: [
      "11:62: portRules[0].service.proxyProtocol is none on mail port 25: the mail server would see Envoy's own address for every client, and one that trusts loopback becomes an open relay; expected v2 or v1, or trustsNobodyByAddress: true beside it if the service gives no address more rights than others",
    ],
  },
  {
    what: 'proxyProtocol none to a mail port',
    edits: [['{dedicatedIp}:9000', '{dedicatedIp}:587']],
    says: [
      "15:60: portRules[1].service.proxyProtocol is none on mail port 587: the mail server would see Envoy's own address for every client, and one that trusts loopback becomes an open relay; expected v2 or v1, or trustsNobodyByAddress: true beside it if the service gives no address more rights than others",
    ],
  },
  {
    what: 'no service',
    edits: [["    service: {address: 'unix:/run/smtp.sock', proxyProtocol: v2}\n", '']],
    says: [
      '9:5: portRules[0].service is missing, expected a service with address and proxyProtocol (only a disabled rule needs none)',
    ],
  },
  {
    what: 'an affinity that nobody knows',
    edits: [['ports: 25', 'ports: 25\n    affinity: sticky']],
    says: ['11:15: portRules[0].affinity is "sticky", expected none, single, classC or network'],
  },
  {
    what: 'a time to stick that is none',
    edits: [['ports: 25', 'ports: 25\n    stickFor: 25h']],
    says: ['11:15: portRules[0].stickFor is "25h", expected a time from 1s to 24h such as 90s, 30m or 4h'],
  },
  {
    what: 'clients that stick without affinity',
    edits: [['ports: 25', 'ports: 25\n    affinity: none\n    stickFor: 30m']],
    says: [
      '12:5: portRules[0].stickFor has no meaning under affinity none: each connection of a client may go elsewhere; expected affinity single or classC beside it',
    ],
  },
  {
    what: 'clients that stick to the one host there is',
    edits: [['ports: 25', 'ports: 25\n    filteringMode: single\n    stickFor: 30m']],
    says: ['12:5: portRules[0].stickFor has no meaning under filteringMode single: one host serves all clients there'],
  },
  {
    what: 'a load weight beyond 100',
    edits: [['ports: 25', 'ports: 25\n    loadWeight: {mail1: 101, mail2: 1}']],
    says: ['11:25: portRules[0].loadWeight.mail1 is 101, expected a load weight 0-100'],
  },
  {
    what: 'load weights that leave a host out',
    edits: [['ports: 25', 'ports: 25\n    loadWeight: {mail1: 60}']],
    says: [
      '11:17: portRules[0].loadWeight does not name mail2, expected a weight 0-100 for each host (0 takes no connections), or `equal`',
    ],
  },
  {
    what: 'load weights of a host that is not there',
    edits: [['ports: 25', 'ports: 25\n    loadWeight: {mail1: 60, mail2: 1, mial3: 3}']],
    says: [
      '11:39: portRules[0].loadWeight.mial3 names a host that is not in hosts, expected one of the hosts mail2, mail1',
    ],
  },
  {
    what: 'load weights that are all 0',
    edits: [['ports: 25', 'ports: 25\n    loadWeight: {mail1: 0, mail2: 0}']],
    says: [
      '11:17: portRules[0].loadWeight gives every host weight 0, expected at least one weight above 0; filteringMode: disabled switches a rule off',
    ],
  },
  {
    what: 'load weights that are a word',
    edits: [['ports: 25', 'ports: 25\n    loadWeight: heavy']],
    says: [
      '11:17: portRules[0].loadWeight is "heavy", expected equal, or a load weight 0-100 for each host such as {mail1: 60, mail2: 40}',
    ],
  },
  {
    what: 'a handling priority under multiple hosts',
    edits: [['ports: 25', 'ports: 25\n    handlingPriority: {mail1: 1}']],
    says: [
      '11:5: portRules[0].handlingPriority has no meaning under filteringMode multiple: hosts are chosen by loadWeight there',
    ],
  },
  {
    what: 'affinity and load weight under single host',
    edits: [['filteringMode: single', 'filteringMode: single\n    affinity: none\n    loadWeight: equal']],
    says: [
      '15:5: portRules[1].affinity has no meaning under filteringMode single: hosts are chosen by handlingPriority there',
      '16:5: portRules[1].loadWeight has no meaning under filteringMode single: hosts are chosen by handlingPriority there',
    ],
  },
  {
    what: 'a handling priority twice',
    edits: [['filteringMode: single', 'filteringMode: single\n    handlingPriority: {mail1: 1, mail2: 1}']],
    says: [
      '15:41: portRules[1].handlingPriority.mail2 is 1, which is taken by mail1, expected a handling priority of its own for each host',
    ],
  },
  {
    what: 'an impatient owner patience',
    edits: [['ports: 25', 'ports: 25\n    ownerPatienceMs: 5']],
    says: ['11:22: portRules[0].ownerPatienceMs is 5, expected a whole number of milliseconds 100-30000'],
  },
  {
    what: 'a banner check without a banner',
    edits: [['v2}', 'v2, check: {kind: banner}}']],
    says: [
      "11:73: portRules[0].service.check.expect is missing, expected how the banner starts such as '220', because kind is banner",
    ],
  },
  {
    what: 'a banner under another check',
    edits: [['v2}', "v2, check: {expect: '220'}}"]],
    says: [
      '11:82: portRules[0].service.check.expect is "220", expected kind: banner beside it, or no expect with kind connect',
    ],
  },
  {
    what: 'checks that would overlap',
    edits: [['v2}', 'v2, check: {periodMs: 500, timeoutMs: 900}}']],
    says: [
      '11:100: portRules[0].service.check.timeoutMs is 900, expected at most periodMs (500), so that checks do not overlap',
    ],
  },
];

describe('parseClusterFile() refuses', () => {
  test.each(MISTAKES)('$what', ({ edits, says }) => {
    expect(errorsOf(changed(...edits))).toEqual(says.map((sentence) => `c.yaml:${sentence}`));
  });

  test('UDP and both, which nothing here carries', () => {
    for (const protocol of ['udp', 'both']) {
      expect(errorsOf(changed(['ports: 25', `ports: 25\n    protocol: ${protocol}`]))).toEqual([
        `c.yaml:11:15: portRules[0].protocol is "${protocol}", expected tcp: UDP is not carried: Envoy hands off TCP connections alone, and so does the kernel in the modes arp and multicast`,
      ]);
    }
  });

  test('more than 32 hosts, and more than 32 rules', () => {
    const many = (count: number, line: (n: number) => string): string =>
      Array.from({ length: count }, (_, index) => line(index + 1)).join('');
    const hosts = many(33, (n) => `  - {name: h${n}, priority: ${Math.min(n, 32)}, dedicatedIp: 10.0.1.${n}}\n`);
    const rules = many(33, (n) => `  - {name: r${n}, ports: ${n + 100}, filteringMode: disabled}\n`);
    const text = changed().replace(/hosts:[\s\S]*/, `hosts:\n${hosts}portRules:\n${rules}`);
    expect(errorsOf(text)).toEqual([
      'c.yaml:6:3: hosts has 33 entries, expected a list of 1-32 hosts',
      'c.yaml:38:27: hosts[32].priority is 32, which is taken by h32, expected at most 32 hosts',
      'c.yaml:40:3: portRules has 33 entries, expected a list of 1-32 port rules',
    ]);
  });

  test('a file that is no map, and one that is empty', () => {
    expect(errorsOf('- a')).toEqual(['c.yaml:1:1: the file is ["a"], expected a map of settings']);
    expect(errorsOf('[{"toString":""}]')).toEqual([
      'c.yaml:1:1: the file is [{"toString":""}], expected a map of settings',
    ]);
    expect(errorsOf('')).toEqual(['c.yaml:1:1: the file is empty, expected a map of settings']);
  });

  test('a file of over a million characters', () => {
    expect(errorsOf('#'.repeat(1_000_001))).toEqual([
      'c.yaml:1:1: the file has 1000001 characters, expected at most 1000000 characters',
    ]);
  });

  test('aliases that unfold without end', () => {
    const bomb = [
      'a: &a [x, x, x, x, x, x, x, x, x]',
      ...[...'bcdefghi'].map((key, index) => `${key}: &${key} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`),
    ].join('\n');
    expect(errorsOf(bomb)).toEqual([
      'c.yaml:1:1: the file cannot be read: Excessive alias count indicates a resource exhaustion attack',
    ]);
  });
});

test('parseClusterFile() tells all mistakes at once, in the order of the file', () => {
  const text = changed(
    ['mail.example.org', 'Mail'],
    ['mode: routed', 'mode: igmp\nmode: igmp'],
    ['priority: 1', 'priority: 2'],
    ['name: web', 'name: smtp\n    datapath: direct'],
    ['8000-8099', '0'],
  );
  expect(errorsOf(text)).toEqual([
    'c.yaml:1:10: cluster is "Mail", expected a full internet name in lower case such as mail.example.org',
    'c.yaml:2:7: mode is "igmp", expected routed, arp or multicast: no IGMP group is joined here; mode multicast is the nearest',
    'c.yaml:3:1: mode stands here for the second time in one map, expected each key once',
    'c.yaml:8:29: hosts[1].priority is 2, which is taken by mail2, expected a free one of 1-32 such as 1',
    'c.yaml:13:11: portRules[1].name is smtp, which is taken by portRules[0], expected another rule name',
    'c.yaml:14:5: portRules[1].datapath is not in this version: connections go through Envoy only; ' +
      'the kernel datapath comes in a later version',
    'c.yaml:15:12: portRules[1].ports is 0, expected a port 1-65535, or a range such as 1000-1099',
  ]);
});
