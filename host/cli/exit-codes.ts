/** Exit codes of every verb; docs/cli.md has the same table. */
export const EXIT = {
  /** Done, or the answer is yes. */
  yes: 0,
  /** The answer is no: a check failed, this host is not converged, nobody takes the client. */
  no: 1,
  /** The command line is wrong; nothing was done. */
  usage: 2,
  /** No sidecar answers. */
  unreachable: 3,
  /** The sidecar, or the file system, refused what was asked. */
  refused: 4,
  /** A mistake in nlb itself. */
  internal: 70,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends a verb with a sentence for the person and an exit code. */
export class CliError extends Error {
  constructor(
    readonly exitCode: ExitCode,
    message: string,
  ) {
    super(message);
    this.name = 'CliError';
  }
}
