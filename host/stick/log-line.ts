/**
 * One line of Envoy's log of clients (host/protocol/xds/client-log.ts writes its format):
 *
 *     served TcpUpstreamConnected 17 nlb.service.rdp 203.0.113.7      a connection has reached the own service
 *     fallback TcpConnectionEnd 18 nlb.service.rdp 203.0.113.8        and has ended
 */
import { SERVICE_PREFIX } from '../protocol/xds/names.js';

export interface LogLine {
  /** Envoy's number of the connection, unique in the life of its process. */
  connection: number;
  isOpen: boolean;
  /** Served in the stead of an owner that did not answer. */
  isFallback: boolean;
  rule: string;
  address: string;
}

const LINE = /^(served|fallback) (TcpUpstreamConnected|TcpConnectionEnd) (\d+) (\S+) (\S+)$/;

/** Null for a connection that went to another host, and for what is no such line. */
export function readLogLine(text: string): LogLine | null {
  const [, how, type, connection, envoyCluster = '', address = ''] = LINE.exec(text) ?? [];
  if (!envoyCluster.startsWith(SERVICE_PREFIX)) return null;
  return {
    connection: Number(connection),
    isOpen: type === 'TcpUpstreamConnected',
    isFallback: how === 'fallback',
    rule: envoyCluster.slice(SERVICE_PREFIX.length),
    address,
  };
}
