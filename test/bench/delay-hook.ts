/**
 * Loaded into a sidecar with `--import` before its own code: tells how long its event loop was held up. Asked over the
 * process channel: 'reset' begins anew, 'read' answers with the longest delay since, ms.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;

const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();

process.on('message', (message) => {
  if (message === 'reset') delays.reset();
  // The histogram holds times between two looks, of which the resolution is no delay.
  if (message === 'read') process.send?.(Math.max(0, delays.max / NS_PER_MS - RESOLUTION_MS));
});
// Listening for messages alone must not keep the sidecar from ending.
process.channel?.unref();
