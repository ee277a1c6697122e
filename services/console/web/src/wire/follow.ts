import { useEffect, useRef, useState } from 'preact/hooks';
import { type Bytes, toBase64 } from '../bytes/bytes';
import { watch } from './subscriptions';
import type { LiveEvent } from './types';

/** So few events are told a second: that there are some is enough to read again. */
const eventsPerSecond = 5;
const larger = (a: string, b: string | undefined) => (b !== undefined && BigInt(b) > BigInt(a) ? b : a);

/** What is known of changes of what was read: the last revision that may have changed it, "0" for none, and why no more will be known. */
export interface Followed { changed: string; ended: string }

/** Follows what was read at a revision, which is undefined until it was. What is followed is the same for as long as a component is there. counts tells the changes that matter. */
export function useFollowed(key: Bytes, rangeEnd: Bytes, revision: string | undefined, counts: (event: LiveEvent) => boolean = () => true): Followed {
  const [known, setKnown] = useState<Followed>({ changed: '0', ended: '' });
  const from = useRef<string | undefined>(undefined); // where it began: it goes on while something is read again
  if (revision !== undefined && revision !== '0') from.current ??= revision;
  useEffect(() => {
    if (from.current === undefined) return;
    const changed = (to: string | undefined) => setKnown((was) => { const now = larger(was.changed, to); return now === was.changed ? was : { ...was, changed: now }; });
    return watch({ key: toBase64(key), rangeEnd: toBase64(rangeEnd), startRevision: String(BigInt(from.current) + 1n), withoutValues: true, eventsPerSecond }, (news) => {
      if (news.kind === 'events') {
        if (news.passedOver) changed(String(BigInt(news.passedOver.to) - 1n));
        changed(news.events.findLast(counts)?.kv?.modRevision);
      } else if (news.kind === 'gap') changed(news.revision);
      else if (news.kind === 'ended') setKnown((was) => ({ ...was, ended: news.reason || 'the watch has ended' }));
    });
  }, [key, rangeEnd, from.current]);
  return known;
}

/** The changes that matter where it is shown which keys there are, not what they hold. */
export const moves = (event: LiveEvent): boolean => !!event.deleted || event.kv?.createRevision === event.kv?.modRevision;

/** Whether what was read at a revision may not be what is there any more. */
export const isStale = (followed: Followed, revision: string | undefined): boolean => revision !== undefined && revision !== '0' && BigInt(followed.changed) > BigInt(revision);

/** Has something read again when it has changed: at once after a while of quiet, otherwise as seldom as it costs; once somebody looks at the page. */
export class Pace {
  private last = 0;
  private planned = false;

  /** Calls act once, so many milliseconds after the last time, however often it was asked for. */
  soon(after: number, act: () => void) {
    if (this.planned) return;
    this.planned = true;
    const begin = () => {
      if (document.hidden) return document.addEventListener('visibilitychange', begin, { once: true });
      this.planned = false;
      this.last = Date.now();
      act();
    };
    setTimeout(begin, Math.max(0, this.last + after - Date.now()));
  }
}
