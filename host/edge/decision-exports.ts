/** What decision.wasm exports (assembly/library.ts has the words); all numbers are i32 unless said otherwise. */
export interface DecisionExports {
  memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  decisionVersion(): number;
  input(): number;
  inputSize(): number;
  endpoint(): number;
  key(): number;
  table(): number;
  readEndpoint(length: number): number;
  readAddress(length: number): number;
  makeKey(affinity: number, ipv6PrefixLength: number): number;
  hashOfKey(length: number, hashSeed: number): number;
  hashOfInput(length: number, hashSeed: number): number;
  setHost(index: number, nameLength: number, loadWeight: number, hashSeed: number): void;
  owner(bucket: number, hostCount: number): number;
  nextOwner(bucket: number, hostCount: number, owner: number): number;
  draw(bucket: number, index: number): number;
  /** f64 that holds an integer. */
  logarithm(draw: number): number;
  logarithmEntry(step: number): number;
  fillTable(first: number, count: number, hostCount: number): void;
  openView(length: number): number;
  faultSize(): number;
  faultPlace(): number;
  faultNumber(): number;
  setDestination(): void;
  decideFor(protocol: number): number;
  ruleFound(): number;
  /** bool */
  wasKept(): number;
  /** bool */
  mayFallBack(): number;
}

/** fillTable(): nobody takes part. */
export const NOBODY = 255;
/** decideFor(): the rule is disabled. */
export const REFUSE_DISABLED = -1;
/** decideFor(): no view was opened, or the last one was refused. */
export const VIEW_NOT_OPEN = -(2 ** 31);

/** As much of WebAssembly as is used here: its types come with a browser's library only, and this is no browser. */
interface WebAssemblyHere {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: unknown } }>;
}

/** A new instance with its table of logarithms filled. */
export async function instantiate(wasm: Uint8Array): Promise<DecisionExports> {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyHere };
  const { instance } = await WebAssembly.instantiate(wasm, {});
  const exports = instance.exports as DecisionExports;
  exports._initialize();
  return exports;
}
