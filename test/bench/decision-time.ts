/**
 * The decision alone, in decision.wasm: what one connection costs of it, and what a whole table does. Node.js and Envoy
 * run the same code on the same engine (V8).
 */
import { readFileSync } from 'node:fs';
import { type DecisionExports, instantiate } from '../../host/edge/decision-exports.js';
import { encodeView } from '../../host/protocol/view-bytes.js';
import { RULE_PORT } from '../e2e/harness/cluster.js';
import { benchFile, viewOf } from './nlb-envoy.js';
import * as places from './places.js';
import { type Estimate, estimateOf } from './statistics.js';
import { decisionWasmPath } from './wasm.js';

const BUCKETS = 65_536;
const PROTOCOL_TCP = 1;
const ROUNDS = 15;
const LOAD_WEIGHT = 50;
const HASH_SEED = 0x5eed1234;
const DECISIONS_A_ROUND = 200_000;

export interface DecisionTime {
  /** Both addresses from text, rule, key, hash, bucket and owner; with the call into wasm. */
  decision_ns: number;
  /** Scoring alone. */
  owner_ns: number;
  /** All 65,536 buckets. */
  table_ms: number;
}

export async function decisionTimes(): Promise<Record<string, DecisionTime>> {
  const wasm = await instantiate(readFileSync(decisionWasmPath()));
  return Object.fromEntries([3, 32].map((hosts) => [`hosts_${hosts}`, timesFor(wasm, hosts)]));
}

function timesFor(wasm: DecisionExports, hosts: number): DecisionTime {
  const decision = decisionNs(wasm, hosts);
  const table = tableNs(wasm, hosts);
  return {
    decision_ns: Math.round(decision.median),
    owner_ns: Math.round(table.median / BUCKETS),
    table_ms: Number((table.median / 1e6).toFixed(1)),
  };
}

/** Text is put into wasm's memory beforehand for one client after the other, as Envoy does for each connection. */
function decisionNs(wasm: DecisionExports, hosts: number): Estimate {
  const file = benchFile(places.LOCAL_PREFIX, 'unix:/nowhere', hosts);
  const put = inputOf(wasm);
  if (wasm.openView(put(encodeView(viewOf(file, 1), file.hosts[0]!.name))) !== 0) throw new Error('view refused');
  const destination = text(`${places.LOCAL_PREFIX}.1:${RULE_PORT}`);
  const clients = places.CLIENTS.map((address) => text(`${address}:40001`));
  return rounds(DECISIONS_A_ROUND, () => {
    for (let i = 0; i < DECISIONS_A_ROUND; i++) {
      wasm.readEndpoint(put(destination));
      wasm.setDestination();
      wasm.readEndpoint(put(clients[i % clients.length]!));
      wasm.decideFor(PROTOCOL_TCP);
    }
  });
}

function tableNs(wasm: DecisionExports, hosts: number): Estimate {
  const put = inputOf(wasm);
  for (let i = 0; i < hosts; i++) {
    wasm.setHost(i, put(text(`mail${String(i + 1).padStart(2, '0')}`)), LOAD_WEIGHT, HASH_SEED);
  }
  return rounds(1, () => wasm.fillTable(0, BUCKETS, hosts));
}

function rounds(operations: number, work: () => void): Estimate {
  work();
  const values: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startedNs = process.hrtime.bigint();
    work();
    values.push(Number(process.hrtime.bigint() - startedNs) / operations);
  }
  return estimateOf(values);
}

/** Once for all: the memory does not grow any more. */
function inputOf(wasm: DecisionExports): (bytes: Uint8Array) => number {
  const input = new Uint8Array(wasm.memory.buffer, wasm.input(), wasm.inputSize());
  return (bytes) => {
    input.set(bytes);
    return bytes.length;
  };
}

const text = (ascii: string): Uint8Array => new TextEncoder().encode(ascii);
