/** What these tests need of the machine. Null, or one sentence of what is missing: the reason a test is skipped with. */
import { execFileSync } from 'node:child_process';

export function whyNoMail(): string | null {
  if (process.getuid?.() !== 0) return 'postfix needs root';
  for (const [tool, debianPackage] of [
    ['postfix', 'postfix'],
    ['swaks', 'swaks'],
  ] as const) {
    if (!has(tool)) return `${tool} is not installed (apt-get install ${debianPackage})`;
  }
  try {
    execFileSync('unshare', ['--pid', '--fork', '--mount-proc', 'true'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'this machine allows no pid namespaces';
  }
}

function has(tool: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
