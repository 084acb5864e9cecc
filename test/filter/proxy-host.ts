/**
 * A proxy-wasm host without Envoy: it calls the filter in the order Envoy 1.40 does, answers its calls, and can be told
 * to answer any of them with an error. A trap of the filter comes out as an exception.
 */
import { readFilterState } from './filter-state.js';
import { wasmApi } from './wasm.js';

/** Calls of the filter that can be made to fail. */
export type HostCall =
  | 'proxy_get_buffer_bytes'
  | 'proxy_get_property'
  | 'proxy_call_foreign_function'
  | 'proxy_set_property'
  | 'proxy_close_stream'
  | 'proxy_define_metric'
  | 'proxy_increment_metric'
  | 'proxy_log';

/** Status codes of the ABI; 0 is success. */
export const STATUS = { notFound: 1, badArgument: 2, invalidMemoryAccess: 6, internalFailure: 10 } as const;

const FOREIGN_FUNCTION = 'set_envoy_filter_state';
const PLUGIN_CONFIGURATION = 7;
const DOWNSTREAM = 2;

export interface Connection {
  id: number;
  /** What tcp_proxy would do: go on, or never be asked. */
  goesOn: boolean;
  /** The Envoy cluster that was set, or null: tcp_proxy's own. */
  envoyCluster: string | null;
  /** Was it closed with an end of file? */
  closed: boolean;
}

interface Exports {
  memory: { buffer: ArrayBuffer };
  malloc(size: number): number;
  _initialize(): void;
  proxy_on_vm_start(root: number, size: number): number;
  proxy_on_context_create(id: number, parent: number): void;
  proxy_on_configure(root: number, size: number): number;
  proxy_on_new_connection(id: number): number;
  proxy_on_delete(id: number): void;
}

export class ProxyHost {
  /** Text of a property by its dotted path; what is missing is not found. */
  readonly properties = new Map<string, string>();
  /** Status that a call answers with instead of doing anything. */
  readonly failures = new Map<HostCall, number>();
  readonly counters = new Map<string, number>();
  readonly logged: string[] = [];
  /** What was kept with connections for the access log, the last of each. */
  readonly told = new Map<string, string>();
  /** How often each call was made. */
  readonly calls = new Map<string, number>();
  private readonly metricNames: string[] = [];
  private readonly wasm: Exports;
  private nextId = 1;
  private configuration = new Uint8Array();
  private connection: Connection | null = null;

  constructor(wasm: Uint8Array<ArrayBuffer>) {
    const instance = new wasmApi.Instance(new wasmApi.Module(wasm), { env: this.imports() });
    this.wasm = instance.exports as unknown as Exports;
    this.wasm._initialize();
    this.wasm.proxy_on_vm_start(0, 0);
  }

  /** How often a metric was defined: each is an entry in Envoy for ever. */
  get definedCount(): number {
    return this.metricNames.length;
  }

  get memory(): Uint8Array {
    return new Uint8Array(this.wasm.memory.buffer);
  }

  exportNames(): string[] {
    return Object.keys(this.wasm);
  }

  /** A new plugin configuration, as Envoy makes for each ECDS update; null where the filter refused it. */
  addRoot(configuration: Uint8Array): number | null {
    const root = this.nextId++;
    this.wasm.proxy_on_context_create(root, 0);
    if (this.configure(root, configuration)) return root;
    this.wasm.proxy_on_delete(root);
    return null;
  }

  configure(root: number, configuration: Uint8Array): boolean {
    this.configuration = new Uint8Array(configuration);
    return this.wasm.proxy_on_configure(root, configuration.length) !== 0;
  }

  /** Envoy does so once the last connection of the root context has ended. */
  removeRoot(root: number): void {
    this.wasm.proxy_on_delete(root);
  }

  connect(root: number, source: string | null, destination: string | null = '10.0.0.100:25'): Connection {
    this.setProperty('source.address', source);
    this.setProperty('destination.address', destination);
    const connection = { id: this.nextId++, goesOn: false, envoyCluster: null, closed: false };
    this.connection = connection;
    this.wasm.proxy_on_context_create(connection.id, root);
    connection.goesOn = this.wasm.proxy_on_new_connection(connection.id) === 0;
    return connection;
  }

  /** Opens a connection that was not announced. */
  connectUnannounced(): Connection {
    const connection = { id: this.nextId++, goesOn: false, envoyCluster: null, closed: false };
    this.connection = connection;
    connection.goesOn = this.wasm.proxy_on_new_connection(connection.id) === 0;
    return connection;
  }

  end(connection: Connection): void {
    this.wasm.proxy_on_delete(connection.id);
  }

  /** The counters above 0, without `nlb.`. */
  counted(): Record<string, number> {
    const counted = [...this.counters].filter(([, value]) => value > 0);
    return Object.fromEntries(counted.map(([name, value]) => [name.replace(/^nlb\./, ''), value]));
  }

  private setProperty(path: string, value: string | null): void {
    if (value === null) this.properties.delete(path);
    else this.properties.set(path, value);
  }

  /** Text that lies in the filter's memory. */
  private text(pointer: number, length: number): string {
    return new TextDecoder('latin1').decode(this.memory.subarray(pointer, pointer + length));
  }

  /** Hands a result over as proxy-wasm-cpp-host does: memory asked of the filter, then where it is and how long. */
  private give(bytes: Uint8Array, pointerOut: number, lengthOut: number): number {
    const pointer = this.wasm.malloc(bytes.length);
    if (pointer === 0) return STATUS.invalidMemoryAccess;
    this.memory.set(bytes, pointer);
    this.store(pointerOut, pointer);
    this.store(lengthOut, bytes.length);
    return 0;
  }

  private store(pointer: number, value: number): void {
    new DataView(this.wasm.memory.buffer).setUint32(pointer, value, true);
  }

  private imports(): Record<HostCall, (...args: number[]) => number> {
    const calls: Record<HostCall, (...args: never[]) => number> = {
      proxy_log: (_level: number, pointer: number, length: number) => {
        this.logged.push(this.text(pointer, length));
        return 0;
      },
      proxy_get_buffer_bytes: (type: number, from: number, size: number, pointerOut: number, lengthOut: number) =>
        type === PLUGIN_CONFIGURATION
          ? this.give(this.configuration.subarray(from, from + size), pointerOut, lengthOut)
          : STATUS.badArgument,
      proxy_get_property: (path: number, length: number, pointerOut: number, lengthOut: number) => {
        const value = this.properties.get(this.text(path, length).replaceAll('\0', '.'));
        if (value === undefined) return STATUS.notFound;
        return this.give(new TextEncoder().encode(value), pointerOut, lengthOut);
      },
      proxy_call_foreign_function: (name: number, nameLength: number, argument: number, length: number) => {
        if (this.text(name, nameLength) !== FOREIGN_FUNCTION) return STATUS.notFound;
        const state = readFilterState(this.memory.slice(argument, argument + length));
        if (state.path === 'envoy.tcp_proxy.cluster' && state.span === DOWNSTREAM && this.connection) {
          this.connection.envoyCluster = state.value;
          return 0;
        }
        return STATUS.badArgument;
      },
      proxy_set_property: (path: number, length: number, value: number, size: number) => {
        this.told.set(this.text(path, length), this.text(value, size));
        return 0;
      },
      proxy_close_stream: (stream: number) => {
        if (stream !== DOWNSTREAM || !this.connection) return STATUS.badArgument;
        this.connection.closed = true;
        return 0;
      },
      proxy_define_metric: (_type: number, pointer: number, length: number, idOut: number) => {
        const name = this.text(pointer, length);
        this.store(idOut, this.metricNames.push(name) - 1);
        this.counters.set(name, this.counters.get(name) ?? 0);
        return 0;
      },
      proxy_increment_metric: (id: number, offset: bigint) => {
        const name = this.metricNames[id];
        if (name === undefined) return STATUS.badArgument;
        this.counters.set(name, (this.counters.get(name) ?? 0) + Number(offset));
        return 0;
      },
    };
    const answer = (name: HostCall) => {
      const call = calls[name] as (...args: number[]) => number;
      return (...args: number[]) => {
        this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
        return this.failures.get(name) ?? call(...args);
      };
    };
    const names = Object.keys(calls) as HostCall[];
    return Object.fromEntries(names.map((name) => [name, answer(name)])) as Record<HostCall, () => number>;
  }
}
