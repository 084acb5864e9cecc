/**
 * The view history on disk, one JSON object a line, and the cluster files that its views were made of.
 *
 *     <stateDir>/history/views.jsonl      the newest
 *     <stateDir>/history/views.1.jsonl    the ones before, replaced when the newest is full
 *     <stateDir>/history/FINGERPRINT.json a cluster file
 *
 * BOUNDED: 2 x 5,000 entries of at most 4 MiB each, and the files that they name. What cannot be written is missing in the
 * history and nowhere else: a full disk never stops a view.
 */
import { appendFile, mkdir, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredEntry } from '../history/entry.js';
import type { ClusterFile, Fingerprint } from '../protocol/types.js';
import { systemCode } from './edge-error.js';
import { replaceFile } from './files.js';

const ENTRIES_MAX = 5000;
const BYTES_MAX = 4 * 1024 * 1024;
/** BOUNDED: cluster files that are read at a time; each has some KB. */
const FILES_MAX = 500;
const FILE_NAME = /^([0-9a-f]+)\.json$/;
/** BOUNDED: entries that wait for a slow disk; more are left out. */
const WAITING_MAX = 200;

interface Waiting {
  entry: StoredEntry;
  file: ClusterFile;
}

export class HistoryFile {
  private readonly directory: string;
  private readonly waiting: Waiting[] = [];
  private writing: Promise<void> | null = null;
  private size: { entries: number; bytes: number } | null = null;
  private readonly known = new Set<Fingerprint>();
  /** The last line may have been cut by a full disk. */
  private isCut = false;

  /** @param say  told what is wrong after each write, or null */
  constructor(
    stateDirectory: string,
    private readonly say: (problem: string | null) => void,
  ) {
    this.directory = join(stateDirectory, 'history');
  }

  append(entry: StoredEntry, file: ClusterFile): void {
    if (this.waiting.length >= WAITING_MAX) return;
    this.waiting.push({ entry, file });
    this.writing ??= this.writeAll();
  }

  /** Resolves when what was appended is written, or given up. */
  async settled(): Promise<void> {
    await this.writing;
  }

  /** Oldest first. Lines that cannot be read are left out. */
  async read(): Promise<StoredEntry[]> {
    await this.settled();
    const texts = await Promise.all(['views.1.jsonl', 'views.jsonl'].map((name) => this.textOf(name)));
    return texts.flatMap((text) => text.split('\n').flatMap(entryOfLine));
  }

  /** Null where it is not kept any more. */
  async fileOf(fingerprint: Fingerprint): Promise<ClusterFile | null> {
    const text = await this.textOf(`${fingerprint}.json`);
    return text === '' ? null : (JSON.parse(text) as ClusterFile);
  }

  /** Virtual IPs of the files that are kept, of at most `FILES_MAX` of them. */
  async virtualIps(): Promise<string[]> {
    const names = (await readdir(this.directory).catch(() => [])).filter((name) => FILE_NAME.test(name));
    const files = await Promise.all(
      names.slice(0, FILES_MAX).map((name) => this.fileOf(name.replace('.json', '')).catch(() => null)),
    );
    return [...new Set(files.flatMap((file) => file?.virtualIps ?? []))];
  }

  private async writeAll(): Promise<void> {
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      try {
        await this.write(next);
        this.say(null);
      } catch (error) {
        this.isCut = true;
        this.say(`The view history in ${this.directory} is not written: ${systemCode(error)}`);
      }
    }
    this.writing = null;
  }

  private async write({ entry, file }: Waiting): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    if (!this.known.has(entry.fingerprint)) {
      await replaceFile(join(this.directory, `${entry.fingerprint}.json`), JSON.stringify(file), 0o600, 'either');
      this.known.add(entry.fingerprint);
    }
    const path = join(this.directory, 'views.jsonl');
    this.size ??= await this.measure(path);
    if (this.size.entries >= ENTRIES_MAX || this.size.bytes >= BYTES_MAX) await this.rotate(path);
    const line = `${this.isCut ? '\n' : ''}${JSON.stringify(entry)}\n`;
    await appendFile(path, line, { mode: 0o600 });
    this.isCut = false;
    this.size = { entries: this.size.entries + 1, bytes: this.size.bytes + line.length };
  }

  private async measure(path: string): Promise<{ entries: number; bytes: number }> {
    const text = await this.textOf('views.jsonl');
    const bytes = (await stat(path).catch(() => null))?.size ?? 0;
    if (text !== '' && !text.endsWith('\n')) this.isCut = true;
    return { entries: text.split('\n').length - 1, bytes };
  }

  private async rotate(path: string): Promise<void> {
    await rename(path, join(this.directory, 'views.1.jsonl'));
    this.size = { entries: 0, bytes: 0 };
    const named = new Set(
      (await this.textOf('views.1.jsonl'))
        .split('\n')
        .flatMap(entryOfLine)
        .map((each) => each.fingerprint),
    );
    for (const name of await readdir(this.directory)) {
      const fingerprint = FILE_NAME.exec(name)?.[1];
      if (fingerprint === undefined || named.has(fingerprint) || this.known.has(fingerprint)) continue;
      await unlink(join(this.directory, name));
    }
    this.known.clear();
  }

  private async textOf(name: string): Promise<string> {
    return readFile(join(this.directory, name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
  }
}

function entryOfLine(line: string): StoredEntry[] {
  if (line === '') return [];
  try {
    const entry = JSON.parse(line) as StoredEntry;
    return typeof entry.at === 'string' && entry.view !== undefined ? [entry] : [];
  } catch {
    return [];
  }
}
