import * as vectors from '../../build/assembly-vectors/vectors';
import { ENDPOINT_PORT, parseEndpoint } from '../../assembly/decision/address';
import { decide, mayServeInstead } from '../../assembly/decision/decide';
import { faultCode } from '../../assembly/decision/fault';
import { ruleFor } from '../../assembly/decision/rule';
import { decodeView, freeView } from '../../assembly/decision/view';
import { bytesOf, put, text } from './bytes';

const CLIENT = memory.data(18, 8);
const DESTINATION = memory.data(18, 8);

describe('decide()', () => {
  test('says of whole decisions what the model says', () => {
    for (let v: u32 = 0; v < u32(vectors.VIEW_COUNT); v++) {
      const hex = vectors.VIEW_BYTES[v];
      const view = decodeView(bytesOf(hex), hex.length / 2);
      expect(<i32>faultCode).toBe(0);
      if (!view) return;
      for (let i = 0; i < vectors.CONNECTION_COUNT; i++) {
        if (vectors.CONNECTION_VIEW[i] != v) continue;
        const client = vectors.CONNECTION_CLIENT[i];
        parseEndpoint(text(), put(client), CLIENT);
        parseEndpoint(text(), put(vectors.CONNECTION_DESTINATION[i]), DESTINATION);
        const port = load<u16>(DESTINATION, ENDPOINT_PORT);
        const rule = ruleFor(view.rules, view.ruleCount, DESTINATION, port, vectors.CONNECTION_PROTOCOL[i]);
        expect(rule).toBe(vectors.CONNECTION_RULE[i], vectors.CONNECTION_DESTINATION[i]);
        const host = decide(view, rule, CLIENT, load<u16>(CLIENT, ENDPOINT_PORT));
        expect(host).toBe(vectors.CONNECTION_OUTCOME[i], client);
        view.self = vectors.CONNECTION_SELF[i];
        const mayFallBack = host >= 0 && host != view.self && mayServeInstead(view, rule);
        expect(mayFallBack).toBe(vectors.CONNECTION_MAY_FALL_BACK[i] == 1, client);
      }
      freeView(view);
    }
  });
});
