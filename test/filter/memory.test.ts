/** What a connection may cost in memory: nothing. */
import { beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT_MS, type BuiltFilter, buildFilter } from './build-filter.js';
import { ProxyHost } from './proxy-host.js';
import { viewOf } from './views.js';
import { wasmApi } from './wasm.js';

let built: BuiltFilter;
beforeAll(async () => {
  built = await buildFilter();
}, BUILD_TIMEOUT_MS);

describe('filter.wasm', () => {
  it('has no garbage collector: nothing in it can allocate on one', () => {
    const functions = [...built.wat.matchAll(/^ \(func \$(\S+)/gm)].map((match) => match[1]!);
    expect(functions).toContain('assembly/connection/onConnection');
    expect(functions.filter((name) => /^~lib\/rt\/(itcms|tcms|stub)/.test(name))).toEqual([]);
    expect(functions.filter((name) => name.startsWith('~lib/'))).toEqual(
      expect.arrayContaining(['~lib/memory/heap.alloc', '~lib/memory/heap.free']),
    );
  });

  it('asks for no other calls of Envoy than the eight it needs, and takes no data', () => {
    const module = new wasmApi.Module(built.wasm);
    expect(
      wasmApi.Module.imports(module)
        .map(({ name }) => name)
        .sort(),
    ).toEqual([
      'proxy_call_foreign_function',
      'proxy_close_stream',
      'proxy_define_metric',
      'proxy_get_buffer_bytes',
      'proxy_get_property',
      'proxy_increment_metric',
      'proxy_log',
      'proxy_set_property',
    ]);
    const names = wasmApi.Module.exports(module).map(({ name }) => name);
    expect(names.filter((name) => /data|close|request|response|log|tick/.test(name))).toEqual([]);
  });

  it('has the same memory, byte for byte, after 100,000 connections of every outcome', () => {
    const host = new ProxyHost(built.wasm);
    const root = host.addRoot(
      viewOf([
        { parts: [50, 50, 50] },
        { name: 'one', portFirst: 26, portLast: 26, filteringMode: 'single', parts: [2, 1, 3] },
        { name: 'off', portFirst: 27, portLast: 27, filteringMode: 'disabled', parts: [] },
      ]),
    )!;
    const round = (i: number) => {
      const client = i % 7 === 0 ? null : `192.0.${(i >> 8) & 255}.${i & 255}:${1000 + (i % 5000)}`;
      host.end(host.connect(root, client, i % 11 === 0 ? null : `10.0.0.1:${25 + (i % 4)}`));
    };
    // The last one is the same both times, because the static buffers still hold it.
    const last = () => host.end(host.connect(root, '[2001:db8::1]:40000', '[2001:db8::100]:25'));
    for (let i = 0; i < 1000; i++) round(i);
    last();
    const before = host.memory.slice();
    for (let i = 0; i < 100_000; i++) round(i);
    last();
    const differing = host.memory.reduce((count, byte, at) => count + (byte === before[at] ? 0 : 1), 0);
    expect(host.memory.length).toBe(before.length);
    // The id of the connection that was announced last: one u32.
    expect(differing).toBeLessThanOrEqual(4);
  });
});
