/**
 * Is the Envoy of another host there, whatever its sidecar says? A connection to its handoff listener from our own
 * dedicated address, with a LOCAL header and "alive", must bring "alive" back (the listener says that itself; no service is
 * reached).
 */
import { dial } from './dial.js';
import { localProxyHeader } from './proxy-header.js';

export const KNOCK_ANSWER = 'alive';

/**
 * @param fromIp     own dedicated address: a handoff listener answers hosts of its cluster only
 * @returns          null when it answered, else one sentence of why not
 */
export function knock(fromIp: string, toIp: string, handoffPort: number, timeoutMs: number): Promise<string | null> {
  return dial({
    to: { host: toIp, port: handoffPort, localAddress: fromIp },
    say: Buffer.concat([localProxyHeader('v2'), Buffer.from(KNOCK_ANSWER)]),
    expect: KNOCK_ANSWER,
    farewell: null,
    timeoutMs,
  });
}

/** Carries a knock of the protocol out and gives the answer back as the event that it waits for. */
export async function knockAt(
  from: string,
  { host, address, port, timeoutMs }: { host: string; address: string; port: number; timeoutMs: number },
  post: (answer: { kind: 'envoyAnswer'; host: string; answered: boolean }) => void,
): Promise<void> {
  const failure = await knock(from, address, port, timeoutMs);
  post({ kind: 'envoyAnswer', host, answered: failure === null });
}
