import type { Bytes } from '../bytes/bytes';

// A tree of keys of which little is held: a level is a list of pages, and of those that nobody looks at only the bounds are kept, so that a million
// keys can be scrolled through in the memory of some thousand. Pages of one tree are read at one revision, until it is refreshed.

export interface Row { name: Bytes; folded: boolean; keys: number; atLeast: boolean; lease: boolean }
export interface Answer { rows: Row[]; more: boolean; revision: string; /** Where to go on, where that is not the last row's name. */ next?: Bytes }
/** Source reads the rows below a prefix that come after one; revision is "0" for the newest. */
export type Source = (prefix: Bytes, after: Bytes, limit: number, revision: string) => Promise<Answer>;

export const pageRows = 250;
/** So many pages have their rows: some more than a screen shows. */
const heldPages = 24;

interface Open { at: number; name: Bytes; level: Level }
interface Page { after: Bytes; next: Bytes; count: number; rows?: Row[]; stale: boolean; loading: boolean; seen: number; open: Open[] }

export interface Level { prefix: Bytes; pages: Page[]; more: boolean; begun: boolean; loading: boolean; failed?: unknown }

/** Line is one line of the tree as it is shown. */
export interface Line {
  depth: number;
  level: Level;
  /** row is a key or a folder, wait a row that is being read, more the end of what was read, failed an error, none a level without keys. */
  kind: 'row' | 'wait' | 'more' | 'failed' | 'none';
  row?: Row;
  opened?: boolean;
  /** The line of the level's parent, and the place of a row in its level. */
  parent: number;
  place: number;
}

let trees = 0;

/** Tree holds what was read. changed is called whenever what it shows has changed. */
export class Tree {
  readonly root: Level = newLevel('');
  readonly id = ++trees;
  revision = '0';
  private tick = 0;
  private epoch = 0;

  constructor(private source: Source, private changed: () => void, rootPrefix: Bytes = '') {
    this.root.prefix = rootPrefix;
  }

  /** How many lines there are. */
  get size(): number { return sizeOf(this.root); }

  /** The lines from one to before another. What of them is not there is read. */
  lines(from: number, to: number): Line[] {
    this.tick++;
    const out: Line[] = [];
    this.visit(this.root, 0, -1, 0, from, to, out);
    this.drop();
    return out;
  }

  /** How many folders there are of which was read how many keys they have, which is what reading costs. */
  get folders(): number {
    const count = (level: Level): number => level.pages.reduce((sum, page) => sum + (page.rows?.filter((row) => row.folded).length ?? 0) + page.open.reduce((below, o) => below + count(o.level), 0), 0);
    return count(this.root);
  }

  /** The line of a row, wherever it was read by now; -1 where it was not. */
  place(of: Row): number {
    let line = 0;
    const find = (level: Level): boolean => {
      for (const page of level.pages) {
        const at = page.rows?.findIndex((row) => row.name === of.name && row.folded === of.folded) ?? -1;
        let from = 0;
        for (const o of page.open) {
          if (at >= 0 && at <= o.at) break;
          line += o.at + 1 - from;
          from = o.at + 1;
          if (find(o.level)) return true;
        }
        line += (at >= 0 ? at : page.count) - from;
        if (at >= 0) return true;
      }
      if (endOf(level)) line++;
      return false;
    };
    return find(this.root) ? line : -1;
  }

  /** Reads the first page, if that has not begun. */
  begin(level: Level = this.root): Promise<void> {
    return level.begun || level.loading ? Promise.resolve() : this.extend(level);
  }

  /** Reads the page after the last. */
  async extend(level: Level): Promise<void> {
    if (level.loading) return;
    level.loading = true;
    level.failed = undefined;
    const epoch = this.epoch;
    const after = level.pages.at(-1)?.next ?? '';
    try {
      const answer = await this.read(level.prefix, after);
      if (epoch !== this.epoch) return;
      level.begun = true;
      level.more = answer.more;
      const last = level.pages.at(-1);
      if (last && !answer.rows.length) last.next = answer.next ?? last.next;
      else level.pages.push({ after, next: answer.next ?? answer.rows.at(-1)?.name ?? after, count: answer.rows.length, rows: answer.rows, stale: false, loading: false, seen: this.tick, open: [] });
    } catch (wrong) {
      if (epoch === this.epoch) level.failed = wrong;
    } finally {
      if (epoch === this.epoch) level.loading = false;
      this.changed();
    }
  }

  /** Opens or closes a folder. */
  async toggle(level: Level, row: Row, open: boolean): Promise<void> {
    const page = level.pages.find((p) => p.rows?.includes(row));
    if (!page) return;
    page.open = page.open.filter((o) => o.name !== row.name);
    if (open) {
      const below = newLevel(row.name);
      page.open.push({ at: page.rows!.indexOf(row), name: row.name, level: below });
      page.open.sort((a, b) => a.at - b.at);
      this.changed();
      await this.begin(below);
    } else this.changed();
  }

  /** Has everything read anew at the newest revision, when it is looked at; until then what was read is shown. */
  refresh(): void {
    this.revision = '0';
    this.epoch++;
    const renew = (level: Level) => {
      level.loading = false;
      level.failed = undefined;
      level.begun = level.pages.length > 0;
      for (const page of level.pages) {
        page.stale = true;
        page.loading = false;
        page.open.forEach((o) => renew(o.level));
      }
    };
    renew(this.root);
    if (!this.root.pages.length) void this.extend(this.root);
    this.changed();
  }

  private async read(prefix: Bytes, after: Bytes): Promise<Answer> {
    const answer = await this.source(prefix, after, pageRows, this.revision);
    if (this.revision === '0') this.revision = answer.revision;
    return answer;
  }

  private async reload(level: Level, page: Page): Promise<void> {
    page.loading = true;
    const epoch = this.epoch;
    try {
      const answer = await this.read(level.prefix, page.after);
      if (epoch !== this.epoch) return;
      this.fit(level, page, answer);
    } catch (wrong) {
      if (epoch === this.epoch) level.failed = wrong;
    } finally {
      if (epoch === this.epoch) page.loading = false;
      this.changed();
    }
  }

  /** Puts an answer where a page was: between its bounds there may be more rows now, or fewer. */
  private fit(level: Level, page: Page, answer: Answer): void {
    const at = level.pages.indexOf(page);
    const isLast = at === level.pages.length - 1;
    const rows = isLast ? answer.rows : answer.rows.filter((row) => row.name <= page.next);
    const whole = isLast || rows.length < answer.rows.length || !answer.more || answer.next !== undefined;
    if (isLast) level.more = answer.more;
    if (isLast || !whole) {
      const end = answer.next ?? rows.at(-1)?.name ?? page.after;
      if (!whole && end < page.next) level.pages.splice(at + 1, 0, { after: end, next: page.next, count: 1, stale: true, loading: false, seen: this.tick, open: [] });
      page.next = end;
    }
    page.rows = rows;
    page.count = rows.length;
    page.stale = false;
    page.open = page.open.map((o) => ({ ...o, at: rows.findIndex((row) => row.name === o.name) })).filter((o) => o.at >= 0);
  }

  private visit(level: Level, depth: number, parent: number, start: number, from: number, to: number, out: Line[]): number {
    let line = start;
    let place = 0;
    const base = { depth, level, parent };
    for (const page of level.pages) {
      const size = page.count + page.open.reduce((sum, o) => sum + sizeOf(o.level), 0);
      if (line + size <= from || line >= to) {
        line += size;
        place += page.count;
        continue;
      }
      page.seen = this.tick;
      if ((!page.rows || page.stale) && !page.loading && !level.failed) void this.reload(level, page);
      let next = 0;
      for (let i = 0; i < page.count; i++, place++) {
        const row = page.rows?.[i];
        const open = page.open[next]?.at === i ? page.open[next++] : undefined;
        const own = line++;
        if (own >= from && own < to) out.push({ ...base, kind: row ? 'row' : 'wait', row, opened: !!open, place });
        if (open) line = this.visit(open.level, depth + 1, own, line, from, to, out);
      }
    }
    const end = endOf(level);
    if (end) {
      if (line >= from && line < to) {
        out.push({ ...base, kind: end, place });
        if (end === 'more' && !level.loading) queueMicrotask(() => void this.extend(level));
      }
      line++;
    }
    return line;
  }

  /** Forgets the rows of pages that were looked at longest ago. */
  private drop(): void {
    const held: Page[] = [];
    const collect = (level: Level) => level.pages.forEach((page) => { if (page.rows) held.push(page); page.open.forEach((o) => collect(o.level)); });
    collect(this.root);
    if (held.length <= heldPages) return;
    held.sort((a, b) => b.seen - a.seen);
    for (const page of held.slice(heldPages)) if (page.seen < this.tick && !page.loading) page.rows = undefined;
  }
}

const newLevel = (prefix: Bytes): Level => ({ prefix, pages: [], more: false, begun: false, loading: false });

function endOf(level: Level): 'more' | 'failed' | 'none' | undefined {
  if (level.failed) return 'failed';
  if (level.more || level.loading || !level.begun) return 'more';
  return level.pages.every((page) => page.count === 0) ? 'none' : undefined;
}

function sizeOf(level: Level): number {
  let size = endOf(level) ? 1 : 0;
  for (const page of level.pages) {
    size += page.count;
    for (const o of page.open) size += sizeOf(o.level);
  }
  return size;
}
