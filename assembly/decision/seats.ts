/**
 * Seats: hosts that have the part of another one, which takes part no more, and are scored by that one's name
 * (docs/decisions/0022). They stand between the rules of a view and its kept clients, and mostly there are none. One seat:
 *
 *      0   rule                 its index in the view
 *      1   host                 who sits there, its index in the view; rules and hosts ascend
 *      2   name length          1 .. 32
 *      3   zero
 *      4   name                 32 bytes, zero-padded: of the host that left, which the view need not have
 */
import { Fault, fault } from './fault';
import { HOST_NAME_MAX, SEAT_SIZE, SEATS_MAX } from './limits';
import { writeHost } from './rendezvous';
import { isName, MODE_MULTIPLE, ruleAt } from './rule';
import { View } from './view';

/** One seat, read in place. */
@unmanaged
class Seat {
  rule: u8;
  host: u8;
  nameLength: u8;
  zero: u8;

  /** Address of the name's bytes. */
  get name(): usize {
    return changetype<usize>(this) + 4;
  }
}

function seatAt(seats: usize, index: u32): Seat {
  return changetype<Seat>(seats + usize(index * SEAT_SIZE));
}

/** Checks the seats behind the rules, which are checked already; notes the fault and gives false. */
export function checkSeats(seats: usize, count: u32, rules: usize, ruleCount: u32): bool {
  if (count > SEATS_MAX) return fault(Fault.seatCount, -1, count);
  for (let i: u32 = 0; i < count; i++) {
    const seat = seatAt(seats, i);
    const rule = u32(seat.rule);
    if (rule >= ruleCount) return fault(Fault.seatHost, -1, rule);
    if (i > 0) {
      const last = seatAt(seats, i - 1);
      const isBehind = last.rule < seat.rule || (last.rule == seat.rule && last.host < seat.host);
      if (!isBehind) return fault(Fault.seatOrder, rule, seat.host);
    }
    const covering = ruleAt(rules, rule);
    if (covering.mode != MODE_MULTIPLE || seat.host >= 32 || covering.partOf(seat.host) == 0) {
      return fault(Fault.seatHost, rule, seat.host);
    }
    if (!isName(seat.name, seat.nameLength, HOST_NAME_MAX)) return fault(Fault.seatName, rule, seat.nameLength);
    if (seat.zero != 0) return fault(Fault.padding, -1, seat.zero);
  }
  return true;
}

/** The seat of a host in a rule, or null: its own. */
function seatOf(seats: usize, count: u32, rule: u32, host: u32): Seat | null {
  for (let i: u32 = 0; i < count; i++) {
    const seat = seatAt(seats, i);
    if (seat.rule == rule && seat.host == host) return seat;
  }
  return null;
}

function nameOf(view: View, seats: usize, count: u32, rule: u32, host: u32): usize {
  const seat = seatOf(seats, count, rule, host);
  return seat ? seat.name : view.host(host).name;
}

/**
 * Writes the hosts of every rule ready to be scored, in the order of the names that they are scored by: that order decides ties.
 * view.placesOf() tells who stands where.
 */
export function seatHosts(view: View, seats: usize, count: u32): void {
  for (let rule: u32 = 0; rule < view.ruleCount; rule++) {
    const places = view.placesOf(rule);
    for (let host: u32 = 0; host < view.hostCount; host++) {
      const name = nameOf(view, seats, count, rule, host);
      let place = host;
      // Hosts stand in the order of their own names: mostly nothing is moved.
      while (place > 0) {
        const before = nameOf(view, seats, count, rule, load<u8>(places + place - 1));
        if (memory.compare(before, name, HOST_NAME_MAX) <= 0) break;
        store<u8>(places + place, load<u8>(places + place - 1));
        place--;
      }
      store<u8>(places + place, u8(host));
    }
    for (let place: u32 = 0; place < view.hostCount; place++) {
      const host: u32 = load<u8>(places + place);
      const seat = seatOf(seats, count, rule, host);
      const name = seat ? seat.name : view.host(host).name;
      const length: u32 = seat ? seat.nameLength : view.host(host).nameLength;
      writeHost(view.weightedHostsOf(rule), place, name, length, view.rule(rule).partOf(host), view.hashSeed);
    }
  }
}
