/** One-line faults of the protocol; `search` stands exactly once in host/protocol. Every rule dropped is one of them. */
export interface Fault {
  rule: string;
  what: string;
  search: string;
  replace: string;
}

function fault(rule: string, what: string, search: string, replace: string): Fault {
  return { rule, what, search, replace };
}

export const FAULTS: readonly Fault[] = [
  fault('R1', 'hosts do not pass rows on', '.filter((row) => row !== null)', '.filter((row) => row === undefined)'),
  fault('R1', 'a row told again keeps its host alive', 'if (row.sequence <= known.sequence) return;', ''),
  fault(
    'R2',
    'who is heard is in, hearing us or not',
    'for (const heard of peer.hears) if (names.has(heard)) return true;',
    'if (names.size > 0) return true;',
  ),
  fault('R3', 'a number is confirmed twice', 'head === state.highest.head);', 'head !== -2);'),
  fault('R3', 'own higher numbers are forgotten', 'Math.max(highest, state.highest.number) + 1', 'highest + 1'),
  fault('R3', 'numbers do not outlive a restart', 'number: durable.highestNumber,', 'number: 0,'),
  fault('R4', 'the lost stay in what is in force', '  dropLost(state, nowMs);', ''),
  fault('R4', 'what is in force is named without the lost', "${[...lostSince].sort().join(',')}`", '`'),
  fault(
    'R4',
    'an alarm at every failure',
    'if (isSameNumber && said.confirmedChecksum === state.inForce.view.checksum && isLater(state, nowMs)) {',
    'if (isSameNumber !== null) {',
  ),
  fault(
    'R5',
    'packets of any source are taken',
    'if (peer.config.dedicatedIp !== fromAddress) {',
    'if (fromAddress === null) {',
  ),
  fault('R6', 'a wrong seal is taken', "if (difference !== 0) return drop('wrongMac');", ''),
  fault('R6', 'another cluster is taken', '!== hash32(clusterName)) return', '=== -1) return'),
  fault('R6', 'a wrong key is not told', 'wrongMac: (keyId) =>', 'length: (keyId) =>'),
  fault(
    'R6',
    'a lone host beside a wrong key takes the virtual IPs',
    'holdVirtualIpBack: isAlone &&',
    'holdVirtualIpBack: !isAlone &&',
  ),
  fault('R7', 'no echo is asked for', "if (!echoesMe) return 'candidate';", ''),
  fault('R7', 'an old sequence is taken', 'row.sequence > known.sequence ||', 'row.sequence > 0 ||'),
  fault(
    'R8',
    'the file does not part hosts',
    'groups.set(file, [...(groups.get(file) ?? []), name]);',
    'groups.set(headOf(state.known), [...(groups.get(headOf(state.known)) ?? []), name]);',
  ),
  fault('R8', 'a higher revision does not win', 'return [revision, names.length,', 'return [0, names.length,'),
  fault('R8', 'the smaller set wins', 'return [revision, names.length,', 'return [revision, -names.length,'),
  fault('R8', 'a lower revision is taken', 'if (revision < state.known.revision) return;', ''),
  fault('R8', 'who is left behind is waited for', ' || leftBehind.includes(other)', ''),
  fault(
    'R8',
    'a revision comes in force without its number',
    'state.offer.revision : before.revision',
    '0 : before.revision',
  ),
  fault('R8', 'who is outside goes on by what it had', 'if (theirs === 0) return;', 'return;'),
  fault(
    'R8',
    'who is about to have a file is not asked for the next',
    'if (said.file !== file && !isArriving()) return true;',
    'if (said.file !== file) return true;',
  ),
  fault('R9', 'a late host gives no grace', 'if (sleptMs <= 0) return;', 'return;'),
  fault('R10', 'a new owner waits for nobody', 'lettingGo.awaited.size > 0 || !isBack', '!isBack'),
  fault('R10', 'who was away takes up what it had', 'if (absence === null) return true;', 'return true;'),
  fault('R10', 'a lease outlives the patience of the others', 'LEASE_PART = 0.9', 'LEASE_PART = 3'),
  fault('R11', 'nothing is damped', 'if (damper.returnCount < 2) return;', 'return;'),
  fault(
    'R11',
    'a damping has no longest wait',
    '2 ** (damper.returnCount - 2), WAIT_MAX_MS)',
    '20 ** damper.returnCount)',
  ),
  fault('R11', 'the first return waits too', 'if (damper.returnCount < 2) return;', ''),
  fault('R11', 'returns are never forgotten', '>= FORGET_AFTER_MS) damper', '>= Number.POSITIVE_INFINITY) damper'),
  fault('R11', 'views are not gathered', 'VIEW_GAP_MS = 200', 'VIEW_GAP_MS = 0'),
  fault(
    'R12',
    'a change waits for the heartbeat',
    'if (nowMs - sending.lastMs < gapMs && !isTick) return;',
    'if (nowMs - sending.lastMs < periodMs(state) * 0.95) return;',
  ),
  fault('R12', 'a change is said once', 'const REPEATS = 4;', 'const REPEATS = 0;'),
  fault('R12', 'a view is taken before Envoy has it', 'state.taken = false;\n  if', 'state.taken = true;\n  if'),
  fault('R12', 'who leaves is waited for', "  peer.left = true;\n  peer.link = 'none';", ''),
  fault(
    'R13',
    'a silent sidecar loses its share',
    'if (envoyAnswers && keepsShare(state) && isInView(state, peer) && ',
    'if (envoyAnswers === null && ',
  ),
  fault(
    'R13',
    'a silent sidecar keeps its share for ever',
    'SIDECAR_SILENT_MAX_MS = 60_000',
    'SIDECAR_SILENT_MAX_MS = 60_000_000',
  ),
  fault(
    'R13',
    'whoever another hears need not confirm',
    'return nowMs - Math.max(peer.advancedMs ?? Number.NEGATIVE_INFINITY, peer.toldMs) >= toleranceMs(state);',
    'return true;',
  ),
  fault('failback', 'who comes back takes its part', 'if (isUp) enter(', 'if (isUp && seats.size > 32) enter('),
  fault(
    'failback',
    'who is on standby stays so when another leaves',
    "else if (free.length > 0 && rule.filteringMode === 'multiple') comeIn(",
    'else if (free.length > 32) comeIn(',
  ),
  fault(
    'failback',
    'who comes in has its part of all clients',
    'if (seat === self || isElsewhere) {',
    'if (seat !== undefined) {',
  ),
  fault(
    'failback',
    'of two halves each may be the stronger',
    'return [...new Set([...names, ...heard])];',
    'return [...names];',
  ),
  fault(
    'failback',
    'who comes back counts as one that leaves',
    "part?.absence === 'standby' ? seatsThatServe(state, rule, seats) : []);",
    '[...seats.values()]);',
  ),
  fault('agreement', 'nobody is waited for', 'if (!isSilent(state, nowMs, peer)) return;', ''),
  fault('agreement', 'the checksum leaves out the rules', '...host.rules.map(', '...[].map('),
  fault(
    'disk',
    'a confirmed view is not written',
    "  persist(state);\n  notice(state, nowMs, 'converging'",
    "  notice(state, nowMs, 'converging'",
  ),
  fault(
    'disk',
    'a revision does not outlive a restart',
    'inForce: state.inForce,\n    revision: state.known.revision,',
    'inForce: state.inForce,\n    revision: 0,',
  ),
  fault(
    'disk',
    'a copied state directory is used',
    'const foreign = foreignOwner(args);',
    'const foreign = null as string | null;',
  ),
];
