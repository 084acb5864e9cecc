/**
 * The PROXY protocol header of a connection that speaks for nobody but itself: what a check sends to a service or to a
 * handoff listener. Source: HAProxy's proxy-protocol.txt, sections 2.1 (v1) and 2.2 (v2).
 *
 *     v2 LOCAL   0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a | 20 version 2, command LOCAL | 00 family | 00 00 length
 *     v1         "PROXY UNKNOWN\r\n"
 */
const LOCAL_V2 = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');
const UNKNOWN_V1 = Buffer.from('PROXY UNKNOWN\r\n', 'latin1');

export function localProxyHeader(version: 'v1' | 'v2'): Buffer {
  return version === 'v2' ? LOCAL_V2 : UNKNOWN_V1;
}
