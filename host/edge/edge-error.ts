/** What the world outside does to a sidecar, as errors that carry a code and a sentence for the administrator. */

export type EdgeErrorCode =
  | 'ENVOY_NOT_FOUND'
  | 'ENVOY_TOO_OLD'
  | 'ENVOY_NOT_OURS'
  | 'ENVOY_ADMIN_SILENT'
  | 'ENVOY_NOT_ASKED'
  | 'ENVOY_REFUSED'
  | 'PORT_TAKEN'
  | 'STATE_DIRECTORY_UNUSABLE'
  | 'STATE_DIRECTORY_LOCKED'
  | 'STATE_DIRECTORY_FOREIGN'
  | 'STATE_UNREADABLE'
  | 'DISK_FULL'
  | 'FILE_NOT_WRITTEN'
  | 'KERNEL_REFUSED'
  | 'CERTIFICATE'
  | 'TOKEN_FILE';

export class EdgeError extends Error {
  constructor(
    readonly code: EdgeErrorCode,
    message: string,
  ) {
    super(message);
    this.name = 'EdgeError';
  }
}

/** The `code` of a Node.js system error (`ENOENT`, `EADDRINUSE` ...), or its message where it has none. */
export function systemCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string') return code;
  return error instanceof Error ? error.message : String(error);
}
