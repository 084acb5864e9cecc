/**
 * The same decision on the runtime of the SDK: its contexts, its property and foreign-function calls. Only what decides is
 * here (one rule, no counters per host), so it does less than filter.wasm does.
 */
export * from '@gcoredev/proxy-wasm-sdk-as/assembly/proxy';
import {
  BufferTypeValues,
  call_foreign_function,
  Context,
  FilterStatusValues,
  get_buffer_bytes,
  get_property,
  registerRootContext,
  RootContext,
} from '@gcoredev/proxy-wasm-sdk-as/assembly';
import { ENDPOINT_PORT, parseEndpoint } from '../../../assembly/decision/address';
import { decide } from '../../../assembly/decision/decide';
import { PROTOCOL_TCP, ruleFor } from '../../../assembly/decision/rule';
import { decodeView, View } from '../../../assembly/decision/view';

const SOURCE: usize = memory.data(18, 8);
const DESTINATION: usize = memory.data(18, 8);

function readEndpoint(path: string, out: usize): bool {
  const text = get_property(path);
  return parseEndpoint(changetype<usize>(text), text.byteLength, out) === 0;
}

/** SetEnvoyFilterStateArguments for `envoy.tcp_proxy.cluster`; see assembly/handoff.ts. */
function clusterArgument(envoyCluster: string): string {
  const length = String.fromCharCode(envoyCluster.length);
  return '\x0a\x17envoy.tcp_proxy.cluster\x12' + length + envoyCluster + '\x18\x02';
}

class Root extends RootContext {
  view: View | null = null;

  onConfigure(configurationSize: u32): bool {
    const bytes = get_buffer_bytes(BufferTypeValues.PluginConfiguration, 0, configurationSize);
    this.view = decodeView(changetype<usize>(bytes), bytes.byteLength);
    return this.view !== null;
  }

  createContext(id: u32): Context {
    return new Connection(id, this);
  }
}

class Connection extends Context {
  constructor(
    id: u32,
    readonly root: Root,
  ) {
    super(id, root);
  }

  onNewConnection(): FilterStatusValues {
    const view = this.root.view;
    if (!view) return FilterStatusValues.StopIteration;
    readEndpoint('destination\0address', DESTINATION);
    const rule = ruleFor(view.rules, view.ruleCount, DESTINATION, load<u16>(DESTINATION, ENDPOINT_PORT), PROTOCOL_TCP);
    readEndpoint('source\0address', SOURCE);
    const owner = decide(view, rule, SOURCE, load<u16>(SOURCE, ENDPOINT_PORT));
    if (owner < 0) return FilterStatusValues.StopIteration;
    if (owner !== view.self) {
      const name = String.UTF8.decodeUnsafe(view.host(owner).name, view.host(owner).nameLength);
      call_foreign_function('set_envoy_filter_state', clusterArgument(`nlb.handoff.${name}.p1000`));
    }
    return FilterStatusValues.Continue;
  }
}

registerRootContext((id: u32) => new Root(id), 'nlb');
