/** Text of a cluster file to a ClusterFile, or to every mistake in it at once. */
import type { ClusterFile } from '../types.js';
import { hostComplaints } from './check-hosts.js';
import { portComplaints } from './check-ports.js';
import { ruleComplaints } from './check-rules.js';
import { draftOf, Sound } from './draft.js';
import { clusterFileOf } from './fill.js';
import { type Finding, pathText } from './finding.js';
import { linkComplaints } from './link.js';
import { remoteControlComplaints } from './remote-control.js';
import { schemaComplaints } from './validate.js';
import { warningComplaints } from './warnings.js';
import { readYaml } from './yaml-text.js';

export type ParseResult = { file: ClusterFile; warnings: Finding[] } | { errors: Finding[]; warnings: Finding[] };

/** Parses and checks a cluster file. `path` only names the file in findings. Never throws. */
export function parseClusterFile(text: string, path: string): ParseResult {
  const yaml = readYaml(text, path);
  if (yaml.value === undefined && yaml.findings.length > 0) return { errors: yaml.findings, warnings: [] };
  const ofSchema = schemaComplaints(yaml.value);
  const sound = new Sound(yaml.value, new Set(ofSchema.map((complaint) => pathText(complaint.path))));
  const draft = draftOf(sound);
  const between = [
    ...hostComplaints(draft),
    ...linkComplaints(draft),
    ...remoteControlComplaints(draft),
    ...ruleComplaints(draft),
    ...portComplaints(draft),
  ];
  const errors = [...yaml.findings, ...[...ofSchema, ...between].map(yaml.finding)].sort(byPlace);
  const warnings = warningComplaints(draft).map(yaml.finding).sort(byPlace);
  if (errors.length > 0) return { errors, warnings };
  return { file: clusterFileOf(draft, sound), warnings };
}

function byPlace(a: Finding, b: Finding): number {
  return a.line - b.line || a.column - b.column;
}
