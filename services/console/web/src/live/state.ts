import { signal } from '@preact/signals';
import { type Bytes, fromBase64, prefixRange, toBase64 } from '../bytes/bytes';
import { watch, type WatchNews } from '../wire/subscriptions';
import type { LiveEvent } from '../wire/types';

/** Entry is a line of the log: a change of a key, or a note about the watch. */
export interface Entry {
  n: number;
  at: number;
  of: Bytes;
  note?: string;
  warn?: boolean;
  kind?: 'made' | 'changed' | 'deleted';
  key: Bytes;
  revision: string;
  bytes: number;
  before?: Bytes;
  after?: Bytes;
  cut?: boolean;
  /** How many revisions of the store were passed over that it tells of. */
  passed?: number;
}
export interface Watched { key: Bytes; prefix: boolean; stop: () => void; failed?: string }

/** So many lines are kept, and values of so many bytes with them; older ones are dropped. */
const keptLines = 5000;
const keptBytes = 16 << 20;
/** Two of the sixteen that the server allows are for the page of the keys. */
export const watchesMax = 14;

// These outlive the page, so that who looks at something else misses nothing.
export const watched = signal<Watched[]>([]);
/** The newest first. */
export const log = signal<Entry[]>([]);
export const paused = signal(false);
/** What came while it was paused. */
export const waiting = signal<Entry[]>([]);
/** Changes a second; where some were passed over, revisions of the store. */
export const rate = signal({ sample: false, value: 0 });

let numbered = 0;
let pending: Entry[] = [];
let planned = false;
let recent: { at: number; changes: number; passed: boolean }[] = [];
const recently = 5000;
let measuring: ReturnType<typeof setTimeout> | undefined;

const weight = (e: Entry) => (e.before?.length ?? 0) + (e.after?.length ?? 0) + e.key.length + 100;

function keep(entries: Entry[]): Entry[] {
  let bytes = 0;
  const end = entries.findIndex((e, i) => { bytes += weight(e); return i >= keptLines || bytes > keptBytes; });
  return end < 0 ? entries : entries.slice(0, end);
}

/** Shows what came since the last frame, once for all of it. */
function flush() {
  planned = false;
  const fresh = pending.reverse();
  pending = [];
  const to = paused.value ? waiting : log;
  to.value = keep([...fresh, ...to.value]);
  const came = fresh.filter((e) => !e.note || e.passed).map((e) => ({ at: e.at, changes: e.passed ?? 1, passed: !!e.passed }));
  recent = [...recent, ...came].slice(-20_000);
  measure();
}

/** Counts what came lately, now and each second until there is nothing. */
function measure() {
  clearTimeout(measuring);
  const now = Date.now();
  recent = recent.filter((r) => now - r.at < recently);
  rate.value = { sample: recent.some((r) => r.passed), value: recent.reduce((sum, r) => sum + r.changes, 0) / recently * 1000 };
  if (recent.length) measuring = setTimeout(measure, 1000);
}
function add(entry: Omit<Entry, 'n' | 'at'>) {
  pending.push({ ...entry, n: ++numbered, at: Date.now() });
  if (planned) return;
  planned = true;
  setTimeout(flush, 50); // and not with frames: a page that nobody looks at has none
}

function of(event: LiveEvent, watched: Bytes): Omit<Entry, 'n' | 'at'> {
  const kv = event.kv ?? {};
  const kind = event.deleted ? 'deleted' : kv.createRevision === kv.modRevision ? 'made' : 'changed';
  const before = event.prevKv ? fromBase64(event.prevKv.value) : undefined;
  const after = event.deleted ? undefined : fromBase64(kv.value);
  const bytes = Number(event.valueBytes ?? 0);
  const cut = (after !== undefined && bytes > after.length) || (before !== undefined && Number(event.prevValueBytes ?? 0) > before.length);
  return { of: watched, kind, key: fromBase64(kv.key), revision: kv.modRevision ?? '0', bytes, before, after, cut };
}

function note(key: Bytes, text: string, warn = false, passed = 0) {
  add({ of: key, note: text, warn, key, revision: '', bytes: 0, passed });
}

export function begin(key: Bytes, prefix: boolean) {
  if (watched.value.length >= watchesMax || watched.value.some((w) => w.key === key && w.prefix === prefix)) return;
  const range = prefix ? prefixRange(key) : { key, rangeEnd: '' };
  const on = (news: WatchNews) => {
    switch (news.kind) {
      case 'events':
        if (news.passedOver) note(key, `passed over: revisions ${news.passedOver.from} to ${BigInt(news.passedOver.to) - 1n}, too fast to show`, true, Number(news.passedOver.to) - Number(news.passedOver.from));
        news.events.forEach((event) => add(of(event, key)));
        break;
      case 'started': note(key, news.again ? `connected again; goes on at revision ${news.revision}, nothing is missing` : `watching from revision ${news.revision} on`); break;
      case 'gap': note(key, `what was before revision ${news.revision} is compacted and missing here`, true); break;
      case 'ended':
        note(key, `the watch has ended: ${news.reason}`, true);
        watched.value = watched.value.map((w) => (w.stop === stop ? { ...w, failed: news.reason } : w));
    }
  };
  const stop = watch({ key: toBase64(range.key), rangeEnd: toBase64(range.rangeEnd), prevKv: true }, on);
  watched.value = [...watched.value, { key, prefix, stop }];
}

export function end(which: Watched) {
  which.stop();
  watched.value = watched.value.filter((w) => w.stop !== which.stop);
}

export function pause(on: boolean) {
  paused.value = on;
  if (on) return;
  log.value = keep([...waiting.value, ...log.value]);
  waiting.value = [];
}

export function clear() {
  log.value = [];
  waiting.value = [];
}
