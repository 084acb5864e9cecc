/** What the filter writes to Envoy's log: one line for a view put in force, one for a view refused. */

import { Fault, faultAt, faultCode, faultValue } from './decision/fault';
import { View } from './decision/view';
import { addBytes, addNumber, addText, startLine } from './line';

/** Begins the line with what happened to which bytes. */
function startRefusal(length: u32): void {
  startLine();
  addText('view of ');
  addNumber(length);
  addText(' bytes refused, what was in force stays: ');
}

/** The line for a view that checked out. */
export function writeInForce(view: View): void {
  startLine();
  addText('view ');
  addNumber(view.viewNumber);
  addText(' in force: ');
  addNumber(view.hostCount);
  addText(' hosts, ');
  addNumber(view.ruleCount);
  addText(' port rules, this host is ');
  if (view.self < 0) addText('outside');
  else addBytes(view.host(view.self).name, view.host(view.self).nameLength);
  if (view.keptCount == 0) return;
  addText(', ');
  addNumber(view.keptCount);
  addText(' kept clients');
}

/** The line for configuration bytes that Envoy did not hand over. */
export function writeUnreadable(length: u32, longest: u32): void {
  startRefusal(length);
  addText('cannot be read, expected 1 to ');
  addNumber(longest);
  addText(' bytes of google.protobuf.BytesValue');
}

/** The line for a view with a fault. */
export function writeFault(length: u32): void {
  startRefusal(length);
  if (faultAt >= 0) {
    addText(faultCode >= Fault.ruleName && faultCode != Fault.padding ? 'port rule ' : 'host ');
    addNumber(faultAt);
    addText(' (counted from 0): ');
  }
  addText(subjectOf(faultCode));
  addText(' is ');
  addNumber(faultValue);
  addText(', expected ');
  addText(expectationOf(faultCode));
}

function subjectOf(code: Fault): string {
  switch (code) {
    case Fault.size:
      return 'length';
    case Fault.magic:
      return 'first word';
    case Fault.layoutVersion:
      return 'layout version';
    case Fault.decisionVersion:
      return 'decision version';
    case Fault.checksum:
      return 'checksum of the bytes';
    case Fault.ipv6PrefixLength:
      return 'IPv6 prefix length';
    case Fault.hostCount:
      return 'number of hosts';
    case Fault.ruleCount:
      return 'number of port rules';
    case Fault.self:
      return 'index of this host';
    case Fault.hostName:
    case Fault.ruleName:
      return 'length of the name';
    case Fault.hostOrder:
      return 'place among the names';
    case Fault.hostPriority:
    case Fault.hostPriorityTwice:
      return 'host priority';
    default:
      return subjectInRule(code);
  }
}

function subjectInRule(code: Fault): string {
  switch (code) {
    case Fault.ruleNameTwice:
      return 'rule of the same name';
    case Fault.protocol:
      return 'protocol';
    case Fault.filteringMode:
      return 'filtering mode';
    case Fault.affinity:
      return 'affinity';
    case Fault.ports:
      return 'first port';
    case Fault.ownerPatience:
      return 'ownerPatienceMs';
    case Fault.ruleOverlap:
      return 'rule with ports in common';
    case Fault.loadWeight:
      return 'load weight';
    case Fault.handlingPriority:
    case Fault.handlingPriorityTwice:
      return 'handling priority';
    case Fault.strayPart:
      return 'part for host';
    case Fault.keptCount:
      return 'number of kept clients';
    case Fault.keptOrder:
      return 'hash of a kept client';
    case Fault.keptHost:
      return 'host of a kept client';
    case Fault.seatCount:
      return 'number of seats';
    case Fault.seatOrder:
    case Fault.seatHost:
      return 'host of a seat';
    case Fault.seatName:
      return 'length of the name of a seat';
    default:
      return 'byte to be zero';
  }
}

function expectationOf(code: Fault): string {
  switch (code) {
    case Fault.size:
      return 'what header and counts say';
    case Fault.magic:
      return '"nlbv"';
    case Fault.layoutVersion:
      return '2: filter.wasm and sidecar must be of one release';
    case Fault.decisionVersion:
      return '1: filter.wasm and sidecar must be of one release';
    case Fault.checksum:
      return 'the one in the header: the bytes were altered';
    case Fault.ipv6PrefixLength:
      return '1 to 128';
    case Fault.hostCount:
      return '1 to 32';
    case Fault.ruleCount:
      return '0 to 32';
    case Fault.self:
      return 'one of the hosts, or 255 for outside';
    case Fault.hostName:
      return '1 to 32 bytes of a-z, 0-9 and -';
    case Fault.hostOrder:
      return 'names ascending, each once';
    case Fault.hostPriority:
      return '1 to 32';
    case Fault.hostPriorityTwice:
    case Fault.handlingPriorityTwice:
      return 'one that no other host has';
    default:
      return expectationInRule(code);
  }
}

function expectationInRule(code: Fault): string {
  switch (code) {
    case Fault.ruleName:
      return '1 to 24 bytes of a-z, 0-9 and -';
    case Fault.ruleNameTwice:
    case Fault.ruleOverlap:
      return 'none';
    case Fault.protocol:
      return '1 tcp, 2 udp or 3 both';
    case Fault.filteringMode:
      return '1 multiple hosts, 2 single host or 3 disabled';
    case Fault.affinity:
      return '0 none, 1 single or 2 class C';
    case Fault.ports:
      return 'not above the last port';
    case Fault.ownerPatience:
      return 'at most 600000';
    case Fault.loadWeight:
      return '0 to 100';
    case Fault.handlingPriority:
      return '1 to 32';
    case Fault.strayPart:
      return 'parts for hosts of the view alone, and none under a disabled rule';
    case Fault.keptCount:
      return 'at most 65536, as many as the header says, and none without affinity';
    case Fault.keptOrder:
      return 'hashes ascending, each once';
    case Fault.keptHost:
    case Fault.seatHost:
      return 'a host that takes part in the rule';
    case Fault.seatCount:
      return 'at most 1024';
    case Fault.seatOrder:
      return 'rules and hosts ascending, each once';
    case Fault.seatName:
      return '1 to 32 bytes of a-z, 0-9 and -';
    default:
      return 'zero';
  }
}
