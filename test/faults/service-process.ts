/** A host's service as a process of its own, so that it can be killed: `node service-process.js NAME`. */
import { startService } from '../e2e/harness/service.js';

const [name = ''] = process.argv.slice(2);
await startService({ name, listen: { host: '127.0.0.1', port: 2525 }, proxyProtocol: 'v2' });
