import { effect, signal } from '@preact/signals';
import { about, ask, entered } from '../shell/about';
import { Refused, words } from './call';
import { live } from './stream';
import type { Cluster, Lease, LiveEvent, LiveRequest, LiveResponse, LiveWatch, SeriesResponse } from './types';

// One stream tells of all that the page wants to hear: browsers allow few connections. When that changes, another is opened, which goes on where the
// one before was; so does one after a connection was lost, without a gap and without telling anything twice. It is there when nothing is wanted of it,
// too: that it is lost says that what is shown may be old.

/** News of a watch. */
export type WatchNews =
  | { kind: 'events'; events: LiveEvent[]; passedOver?: { from: string; to: string } }
  /** The history to go on with is compacted: what was before this revision is missing. */
  | { kind: 'gap'; revision: string }
  | { kind: 'ended'; reason: string }
  /** It has begun, or begun again after a connection was lost; that the page has opened the stream anew is no news. */
  | { kind: 'started'; revision: string; again: boolean };

interface Watching { watch: LiveWatch; begun: boolean; lost: boolean; on: (news: WatchNews) => void }
type Take<T> = (news: T) => void;

/** How the stream is: off where nobody has logged in, or it is refused. */
export const state = signal<'off' | 'opening' | 'open' | 'lost'>('off');
/** Since when nothing was heard of the server, 0 while it is there. */
export const lostSince = signal(0);
let heard = 0;
/** Why it cannot be opened, where that is not that the server is away. */
export const refused = signal('');

const watches = new Map<string, Watching>();
const clusters = new Set<Take<Cluster>>();
const series = new Set<Take<SeriesResponse>>();
const leases = new Map<Take<Lease[]>, string[]>();
let seriesAfter = '0';
let nextId = 1;
let current: AbortController | undefined;
let planned = false;

/** No word for so long means that the connection is dead; the server speaks every ten seconds. */
const silence = 25_000;
const waitMax = 5_000;

function request(): LiveRequest {
  return {
    watches: [...watches.values()].map((w) => w.watch), cluster: clusters.size > 0, series: series.size > 0, seriesAfterUnixMilli: seriesAfter,
    leases: [...new Set([...leases.values()].flat())].slice(0, 32),
  };
}

/** Has the stream opened anew, once for all that changes at this moment. */
function change() {
  if (planned) return;
  planned = true;
  queueMicrotask(() => {
    planned = false;
    current?.abort();
    current = undefined;
    if (entered.value) return void run();
    state.value = 'off';
    lostSince.value = 0;
  });
}
effect(() => { void entered.value; change(); });

async function run() {
  const own = new AbortController();
  current = own;
  state.value = 'opening';
  refused.value = '';
  for (let wait = 250; !own.signal.aborted; wait = Math.min(wait * 2, waitMax)) {
    const once = new AbortController();
    const end = () => once.abort();
    own.signal.addEventListener('abort', end);
    let timer = setTimeout(end, silence);
    try {
      await live(request(), once.signal, (news) => {
        clearTimeout(timer);
        timer = setTimeout(end, silence);
        if (own.signal.aborted) return;
        state.value = 'open';
        lostSince.value = 0;
        heard = Date.now();
        wait = 250;
        take(news);
      });
    } catch (wrong) {
      if (own.signal.aborted) break;
      if (wrong instanceof Refused && !wrong.unreachable && wrong.code !== 'unavailable') {
        refused.value = words(wrong);
        state.value = 'off';
        return;
      }
    } finally {
      clearTimeout(timer);
      own.signal.removeEventListener('abort', end);
    }
    if (own.signal.aborted) break;
    state.value = 'lost';
    lostSince.value ||= heard || Date.now();
    watches.forEach((w) => { w.lost = true; });
    await new Promise((done) => setTimeout(done, wait));
    if (about.value?.authEnabled) void ask(); // a token may have ended with the server that gave it
  }
}

function take(news: LiveResponse) {
  if (news.started) {
    const of = watches.get(news.started.watchId ?? '0');
    if (!of) return;
    of.watch.startRevision = news.started.nextRevision;
    if (!of.begun || of.lost) of.on({ kind: 'started', revision: news.started.nextRevision ?? '0', again: of.begun });
    of.begun = true;
    of.lost = false;
  } else if (news.events) {
    const of = watches.get(news.events.watchId ?? '0');
    if (!of) return;
    const { events = [], nextRevision, passedOverFrom, passedOverTo } = news.events;
    if (nextRevision) of.watch.startRevision = nextRevision;
    if (events.length || passedOverFrom) of.on({ kind: 'events', events, passedOver: passedOverFrom ? { from: passedOverFrom, to: passedOverTo ?? '0' } : undefined });
  } else if (news.ended) {
    const of = watches.get(news.ended.watchId ?? '0');
    if (!of) return;
    const at = news.ended.compactedRevision;
    if (at && at !== '0') {
      of.watch.startRevision = at;
      of.on({ kind: 'gap', revision: at });
      change();
    } else {
      watches.delete(of.watch.id);
      of.on({ kind: 'ended', reason: news.ended.reason ?? '' });
    }
  } else if (news.cluster) clusters.forEach((on) => on(news.cluster!));
  else if (news.leases) leases.forEach((_, on) => on(news.leases!.leases ?? []));
  else if (news.series) {
    seriesAfter = news.series.timesUnixMilli?.at(-1) ?? seriesAfter;
    series.forEach((on) => on(news.series!));
  }
}

/** Watches keys. The answer ends it. */
export function watch(what: Omit<LiveWatch, 'id'>, on: (news: WatchNews) => void): () => void {
  const id = String(nextId++);
  watches.set(id, { watch: { ...what, id }, begun: false, lost: false, on });
  change();
  return () => { if (watches.delete(id)) change(); };
}

export function onCluster(on: Take<Cluster>): () => void {
  clusters.add(on);
  change();
  return () => { clusters.delete(on); change(); };
}

/** Tells of new points of all series after a time. */
export function onSeries(after: string, on: Take<SeriesResponse>): () => void {
  seriesAfter = after;
  series.add(on);
  change();
  return () => { series.delete(on); change(); };
}

export function onLeases(ids: string[], on: Take<Lease[]>): () => void {
  leases.set(on, ids);
  change();
  return () => { leases.delete(on); change(); };
}
