/**
 * A page whose commands are run as they stand there. Its ```console blocks hold commands, `$ ` before each, and under each what
 * it says:
 *
 *     $ docker compose exec mail1 nlb query
 *     Cluster mail.example.org
 *     ...
 *
 * What is shown must come, line by line; `...` on a line of its own stands for any lines, within a line for any text. Times
 * and dates stand for those of the day.
 */

export interface Step {
  /** The heading it stands under. */
  heading: string;
  command: string;
  shown: string[];
}

export function stepsOf(markdown: string): Step[] {
  const steps: Step[] = [];
  let heading = '';
  let inBlock = false;
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) inBlock = line === '```console';
    else if (!inBlock && line.startsWith('#')) heading = line.replace(/^#+ */, '');
    else if (inBlock && line.startsWith('$ ')) steps.push({ heading, command: line.slice(2), shown: [] });
    else if (inBlock) continueStep(steps.at(-1), line);
  }
  return steps;
}

function continueStep(step: Step | undefined, line: string): void {
  if (!step) throw new Error(`a console block begins with "${line}", expected a command after "$ "`);
  // A command goes on after a backslash, as in a shell.
  if (step.command.endsWith('\\') && step.shown.length === 0) step.command += `\n${line}`;
  else step.shown.push(line);
}

/** @returns null where `output` is what is shown, else both of them */
export function difference({ command, shown }: Step, output: string): string | null {
  if (shown.length === 0) return null;
  const source = shown.map((line) => (line.trim() === '...' ? '(?:.*\\n)*?' : `${patternOf(line)}\\n`)).join('');
  const text = `${output.replace(/\r/g, '').trimEnd()}\n`;
  if (new RegExp(`^${source}$`).test(text)) return null;
  return `$ ${command}\n--- the page shows\n${shown.join('\n')}\n--- it said\n${output}`;
}

/** Columns are as wide as their widest cell, so one space stands for several. */
function patternOf(line: string): string {
  return line
    .trimEnd()
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\\\.\\\.\\\./g, '.*')
    .replace(/\d{4}-\d\d-\d\d/g, '\\d{4}-\\d\\d-\\d\\d')
    .replace(/\d\d:\d\d:\d\d/g, '\\d\\d:\\d\\d:\\d\\d')
    .replace(/ +/g, ' +');
}
