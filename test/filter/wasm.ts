/** The part of WebAssembly's interface that the tests use: Node.js has it, the types of Node.js leave it out. */
interface WasmApi {
  Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): { name: string }[];
    exports(module: object): { name: string }[];
  };
  Instance: new (module: object, imports: object) => { exports: unknown };
}

export const wasmApi = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;
