/** Sends one mail with swaks, the tool administrators try a mail server with, from a client address of choice. */
import { spawn } from 'node:child_process';

export interface Sending {
  /** Source address; all of 127/8 is this machine. */
  from: string;
  to: { address: string; port: number };
  recipient: string;
}

export interface Sent {
  /** 0: accepted. 24: no recipient was accepted. 6: the connection ended before the greeting. */
  exitCode: number | null;
  /** The whole conversation, as swaks prints it. */
  conversation: string;
}

/** One try, no second one; a silent server is given up after 20 s. */
export function swaks({ from, to, recipient }: Sending): Promise<Sent> {
  const server = ['--server', to.address, '--port', String(to.port), '--local-interface', from, '--timeout', '20'];
  const mail = ['--helo', 'client.test', '--from', 'sender@client.test', '--to', recipient];
  return new Promise((resolve, reject) => {
    const child = spawn('swaks', [...server, ...mail], { stdio: ['ignore', 'pipe', 'pipe'] });
    let conversation = '';
    const keep = (chunk: Buffer) => {
      conversation += chunk.toString('latin1');
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, conversation }));
  });
}

/** Sends all, some at a time; the answers stand in the order of `sendings`. */
export async function swaksAll(sendings: readonly Sending[], atOnce = 6): Promise<Sent[]> {
  const sent: Sent[] = [];
  let next = 0;
  const worker = async () => {
    while (next < sendings.length) {
      const index = next++;
      sent[index] = await swaks(sendings[index]!);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return sent;
}
