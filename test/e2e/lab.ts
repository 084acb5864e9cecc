/**
 * The laboratory of scripts/lab: a Docker engine of its own with the images of envoy/compose, kept by one process that ends it
 * when we end or close its standard input.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../scripts/lab/main.mjs', import.meta.url));
/** Of scripts/lab/main.mjs: this machine cannot run it. */
const EXIT_CANNOT = 3;

/** `docker compose` as README writes it, where there is only docker-compose 1.29, which asks for a terminal unless told. */
const ONLY_1_29 = `
docker() {
  if [ "$1" != compose ]; then command docker "$@"; return; fi
  shift
  if [ "$1" = exec ]; then shift; set -- exec -T "$@"; fi
  docker-compose "$@"
}
`;

export interface Done {
  code: number | null;
  /** Standard output and standard error as they came. */
  output: string;
}

export class Lab {
  private constructor(
    private readonly keeper: ChildProcess,
    private readonly environment: NodeJS.ProcessEnv,
    private readonly prelude: string,
    private readonly directory: string,
  ) {}

  /**
   * Resolves when the images are there, the first time after minutes.
   *
   * @param directory  where commands are run: envoy/compose or a folder in it
   * @returns the reason where this machine cannot run it
   * @throws  Error with what the laboratory said, where something failed
   */
  static async start(directory: string): Promise<Lab | string> {
    const keeper = spawn(process.execPath, [MAIN], { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    keeper.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      process.stderr.write(text);
    });
    const ended = once(keeper, 'close');
    for await (const line of createInterface({ input: keeper.stdout })) {
      const { environment } = JSON.parse(line) as { environment: NodeJS.ProcessEnv };
      const options = { env: { ...process.env, ...environment } };
      const hasPlugin = spawnSync('docker', ['compose', 'version'], options).status === 0;
      return new Lab(keeper, environment, hasPlugin ? '' : ONLY_1_29, directory);
    }
    await ended;
    if (keeper.exitCode === EXIT_CANNOT) return (said.trim().split('\n').at(-1) ?? '').replace('lab: ', '');
    throw new Error(`the laboratory failed with exit code ${keeper.exitCode}:\n${said}`);
  }

  async end(): Promise<void> {
    const ended = once(this.keeper, 'exit');
    this.keeper.stdin?.end();
    await ended;
  }

  /** Runs a shell command in the directory, as somebody who reads the README there would. */
  sh(command: string): Promise<Done> {
    const shell = spawn('bash', ['-c', `${this.prelude}\nexec 2>&1\n${command}`], {
      cwd: this.directory,
      env: { ...process.env, ...this.environment },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    shell.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    return new Promise((resolve, reject) => {
      shell.once('error', reject).once('close', (code) => resolve({ code, output }));
    });
  }

  /** As sh(), for what has to succeed. */
  async must(command: string): Promise<string> {
    const { code, output } = await this.sh(command);
    if (code !== 0) throw new Error(`exit code ${code} of: ${command}\n${output}`);
    return output;
  }
}
