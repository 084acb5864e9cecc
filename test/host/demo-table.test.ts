/** The demo's table, processes and cluster file, without starting anything. */
import { describe, expect, test } from 'vitest';
import { parseClusterFile } from '../../host/protocol/config/index.js';
import { clusterFileText } from '../demo/cluster-file.js';
import { layoutOf, SIDECAR_PROGRAM, SMTP_PROGRAM } from '../demo/layout.js';
import { type PartKind, partOf } from '../demo/processes.js';
import { type Picture, summaryLine, tableLines } from '../demo/table.js';
import { statusOf } from '../e2e/page-status.js';

function pictureOf(): Picture {
  const status = statusOf(['converged', 'converged', 'lost']);
  const all: PartKind[] = ['envoy', 'sidecar', 'smtp'];
  const hosts = layoutOf(null).hosts.map(({ name, address }) => ({
    name,
    address,
    alive: new Set(name === 'mail3' ? [] : all),
    mailCount: 12,
    pageUrl: '',
  }));
  return { clock: '21:04:05', hosts, statuses: new Map([['mail1', status]]) };
}

describe('tableLines()', () => {
  test('shows hosts, states, shares and which processes are missing', () => {
    expect(tableLines(pictureOf(), 200)).toEqual([
      '21:04:05  mail.example.org: converged, view 7 (mail2 was heard); as mail1 sees it',
      '',
      'HOST   ADDRESS    STATE        EXPECTED  MEASURED  MAIL  PROCESSES',
      'mail1  127.0.1.1  ✔ converged    50.0 %    47.9 %    12  all run',
      'mail2  127.0.1.2  ✔ converged    50.0 %    49.2 %    12  all run',
      'mail3  127.0.1.3  ✖ lost          0.0 %     3.0 %    12  no Envoy, sidecar, SMTP server',
    ]);
  });
  test('cuts lines to the terminal, so that redrawing in place counts right', () => {
    expect(tableLines(pictureOf(), 40).every((line) => line.length <= 40)).toBe(true);
  });
  test('says so where no sidecar answers', () => {
    expect(tableLines({ ...pictureOf(), statuses: new Map() }, 80)[0]).toBe('21:04:05  no sidecar answers');
  });
});

test('summaryLine() names view, states and shares in one line', () => {
  const line = 'view 7 converged: mail1 converged 50.0 %, mail2 converged 50.0 %, mail3 lost 0.0 %';
  expect(summaryLine(pictureOf())).toBe(line);
});

describe('partOf()', () => {
  const layout = layoutOf(null, '/project/.run');
  const directory = '/project/.run/mail2';
  const node = '/usr/bin/node';

  test('knows the sidecar, the SMTP server and the Envoy of a host', () => {
    const sidecar = [
      'node',
      SIDECAR_PROGRAM,
      'run',
      '--config',
      '/project/.run/cluster.yaml',
      '--state-dir',
      directory,
    ];
    expect(partOf(sidecar, node, layout)).toEqual({ kind: 'sidecar', host: 'mail2' });
    const smtp = ['node', SMTP_PROGRAM, 'mail2', '127.0.1.2', '2526', directory];
    expect(partOf(smtp, node, layout)).toEqual({ kind: 'smtp', host: 'mail2' });
    const envoy = ['/cache/envoy-1.40.0', '--config-path', `${directory}/envoy/bootstrap.json`];
    expect(partOf(envoy, '/cache/envoy-1.40.0', layout)).toEqual({ kind: 'envoy', host: 'mail2' });
  });
  test('leaves alone what only reads our files, asks our sidecars, or belongs to another demo', () => {
    expect(partOf(['tail', '-f', `${directory}/sidecar.log`], '/usr/bin/tail', layout)).toBeNull();
    expect(partOf(['vi', `${directory}/envoy/bootstrap.json`], '/usr/bin/vi', layout)).toBeNull();
    expect(partOf(['node', SIDECAR_PROGRAM, 'query', '--state-dir', directory], node, layout)).toBeNull();
    const elsewhere = ['node', SIDECAR_PROGRAM, 'run', '--state-dir', '/other/.run/mail2'];
    expect(partOf(elsewhere, node, layout)).toBeNull();
  });
});

test('layoutOf() takes other ports from a base on', () => {
  expect(layoutOf(20000).ports).toEqual({
    smtp: 20000,
    service: 20001,
    heartbeat: 20002,
    handoff: 20002,
    channel: 20003,
    page: 20004,
  });
  expect(clusterFileText(layoutOf(20000))).toContain(
    'ports: {heartbeat: 20002, handoff: 20002, channel: 20003, page: 20004}',
  );
});

test('clusterFileText() is a cluster file without a mistake or a warning', () => {
  const result = parseClusterFile(clusterFileText(layoutOf(20000)), 'cluster.yaml');
  expect(result).toMatchObject({ file: { clusterName: 'mail.example.org' }, warnings: [] });
});
