/** Envoy's SetEnvoyFilterStateArguments, read from protobuf as Envoy would: unknown bytes are an error. */
export interface FilterState {
  path: string;
  value: string;
  span: number;
}

export function readFilterState(bytes: Uint8Array): FilterState {
  const state: FilterState = { path: '', value: '', span: 0 };
  let at = 0;
  const next = (): number => {
    const byte = bytes[at++];
    if (byte === undefined || byte > 127) throw new Error(`filter state: byte ${byte} at ${at - 1}, expected 0-127`);
    return byte;
  };
  const text = (): string => {
    const length = next();
    if (at + length > bytes.length) throw new Error(`filter state: text of ${length} bytes at ${at} runs over the end`);
    at += length;
    return new TextDecoder().decode(bytes.subarray(at - length, at));
  };
  while (at < bytes.length) {
    const tag = next();
    if (tag === 0x0a) state.path = text();
    else if (tag === 0x12) state.value = text();
    else if (tag === 0x18) state.span = next();
    else throw new Error(`filter state: unknown tag ${tag} at ${at - 1}`);
  }
  return state;
}
