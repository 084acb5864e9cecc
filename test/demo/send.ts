/**
 * Sends one mail from a client address of your choice through each entry host of the running demo, and says who took it:
 *
 *     node build/test/demo/send.js 127.9.9.9
 */
import { attempt } from './client.js';
import { layoutOf, RUN_DIRECTORY } from './layout.js';
import { runningDemo } from './lock.js';

const client = process.argv[2] ?? '';
const demo = runningDemo(RUN_DIRECTORY);
if (!/^127(\.\d{1,3}){3}$/.test(client)) {
  process.stderr.write(`send: client address is "${client}", expected one of this machine such as 127.9.9.9\n`);
  process.exit(64);
}
if (demo === null) {
  process.stderr.write('send: no demo runs; start one with: npm start\n');
  process.exit(1);
}
const { hosts, ports } = layoutOf(demo.portBase);
let failed = 0;
for (const { name, address } of hosts) {
  const id = `${Date.now()}.${name}@client.example.net`;
  const tried = await attempt({ id, client }, { host: name, address, port: ports.smtp });
  if (tried.failure !== null) failed += 1;
  const ms = Math.round(tried.endedMs - tried.startedMs);
  const outcome = tried.failure === null ? `${tried.servedBy} keeps it` : `not accepted: ${tried.failure}`;
  process.stdout.write(`from ${client} through ${name} (${address}:${ports.smtp}): ${outcome}, ${ms} ms\n`);
}
process.exit(failed === 0 ? 0 : 1);
