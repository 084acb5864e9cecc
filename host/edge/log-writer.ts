/**
 * Writes the log without ever waiting for its reader. Node.js writes to a pipe in one go and stands still until somebody has
 * read: a log collector that hangs, or journald on a full disk, would make a healthy host silent, and so lost. The writer is
 * that of pino (sonic-boom): it writes beside the event loop.
 */
import sonicBoom from 'sonic-boom';

export interface LogWriter {
  /** A line that comes after `end()` goes nowhere: who still has one must not be ended by it. */
  write(line: string): void;
  /** Resolves when all is written, or `limitMs` are over: false where something is left. */
  end(limitMs: number): Promise<boolean>;
}

/** BOUNDED: characters that wait for the reader; lines on top of that are lost, and counted. */
const WAITING_MAX = 1024 * 1024;

/** @param lostLine  tells how many lines were lost, in the form of the log */
export function createLogWriter(fd: number, lostLine: (count: number) => string): LogWriter {
  const sink = new sonicBoom.SonicBoom({ fd, sync: false, maxLength: WAITING_MAX });
  let lostCount = 0;
  let isEnding = false;
  sink.on('drop', () => {
    lostCount += 1;
  });
  sink.on('drain', () => {
    if (lostCount === 0) return;
    const line = lostLine(lostCount);
    lostCount = 0;
    sink.write(line);
  });
  // The reader is gone: there is nobody left to tell.
  sink.on('error', () => {});

  function write(line: string): void {
    // The writer throws once it is closed.
    if (!isEnding) sink.write(line);
  }

  function end(limitMs: number): Promise<boolean> {
    isEnding = true;
    return new Promise((resolve) => {
      const limit = setTimeout(() => resolve(false), limitMs);
      sink.once('close', () => {
        clearTimeout(limit);
        resolve(true);
      });
      // What is lost is told behind the rest.
      if (lostCount > 0) sink.once('drain', () => sink.end());
      else sink.end();
    });
  }

  return { write, end };
}
