export interface Named {
  feature: string;
  file: string;
  title: string;
}
export interface Report {
  testResults: { name: string; assertionResults: { title: string; status: string }[] }[];
}
export function namedTests(page: string): Named[];
export function outcomeOf(named: Named, reports: readonly Report[]): 'passed' | 'failed' | 'skipped' | 'did not run';
export function shown(root: string): { passed: number; failed: number; skipped: number };
