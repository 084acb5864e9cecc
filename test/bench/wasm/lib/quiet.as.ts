/**
 * Stands for the WASI shim's `process`, which the SDK logs through: nothing is written and there is no environment. Only
 * lines at level info and above would reach it, and a connection writes none.
 */
class QuietStream {
  write(_text: string): void {}
}

export namespace quietProcess {
  // @ts-ignore: decorator
  @lazy export const stdout: QuietStream = new QuietStream();
  // @ts-ignore: decorator
  @lazy export const env: Map<string, string> = new Map();
}
