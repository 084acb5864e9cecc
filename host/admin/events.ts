/** Server-sent events: everybody who watches gets the whole status, on a change at once, and once a second for the counts. */
import type { ServerResponse } from 'node:http';
import type { ClusterStatus } from './status.js';

export interface Events {
  add(response: ServerResponse): void;
  changed(): void;
  close(): void;
}

/** BOUNDED: watchers; one more is told to come back later. */
const WATCHERS_MAX = 50;
/** BOUNDED: bytes a watcher may leave unread; beyond it is let go and its browser comes back by itself. */
const UNREAD_BYTES_MAX = 1024 * 1024;
const PERIOD_MS = 1000;
/** A burst of changes is one event. */
const GATHER_MS = 100;

export function createEvents(status: () => ClusterStatus): Events {
  const watchers = new Set<ServerResponse>();
  let gathering: NodeJS.Timeout | null = null;
  const period = setInterval(tell, PERIOD_MS);
  period.unref();

  function tell(): void {
    gathering = null;
    if (watchers.size === 0) return;
    const event = `data: ${JSON.stringify(status())}\n\n`;
    for (const watcher of watchers) {
      if (watcher.writableLength > UNREAD_BYTES_MAX) watcher.destroy();
      else watcher.write(event);
    }
  }

  function add(response: ServerResponse): void {
    if (watchers.size >= WATCHERS_MAX) {
      response.writeHead(503, { 'retry-after': '10' });
      response.end();
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`retry: 1000\n\ndata: ${JSON.stringify(status())}\n\n`);
    watchers.add(response);
    response.on('close', () => watchers.delete(response));
  }

  return {
    add,
    changed() {
      gathering ??= setTimeout(tell, GATHER_MS);
    },
    close() {
      clearInterval(period);
      if (gathering) clearTimeout(gathering);
      for (const watcher of watchers) watcher.destroy();
      watchers.clear();
    },
  };
}
