/** The least a network filter can be: Envoy calls it for each connection and it does nothing. What is left is Envoy's own. */

export function proxy_abi_version_0_2_1(): void {}

export function malloc(_size: usize): usize {
  return 0;
}

export function proxy_on_vm_start(_rootId: u32, _configurationSize: u32): u32 {
  return 1;
}

export function proxy_on_configure(_rootId: u32, _configurationSize: u32): u32 {
  return 1;
}

export function proxy_on_context_create(_id: u32, _parent: u32): void {}

export function proxy_on_new_connection(_id: u32): u32 {
  return 0;
}
