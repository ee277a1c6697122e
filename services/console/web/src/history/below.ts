import { useEffect, useState } from 'preact/hooks';
import { type Bytes, fromBase64, toBase64 } from '../bytes/bytes';
import { count } from '../ui/format';
import { call, inspectService, words } from '../wire/call';
import type { ChangesResponse } from '../wire/types';

/** ChangedAt is what one revision has changed below a prefix. */
export interface ChangedAt { revision: string; time: string | undefined; made: number; changed: number; deleted: number; keys: Bytes[] }

interface State { changes: ChangedAt[]; more: boolean; revision: string; sub: string; compacted: string }
const page = '20';
const keysMax = 5;

async function load(prefix: Bytes, was: State | undefined): Promise<State> {
  const answer = await call<ChangesResponse>(`${inspectService}/Changes`, { prefix: toBase64(prefix), limit: page, beforeRevision: was?.revision ?? '0', beforeSub: was?.sub ?? '0' });
  const changes = [...(was?.changes ?? [])];
  for (const { revision = '0', timeUnixNano, made, changed, deleted, keys } of answer.changes ?? []) {
    const part = { revision, time: timeUnixNano, made: Number(made ?? 0), changed: Number(changed ?? 0), deleted: Number(deleted ?? 0), keys: (keys ?? []).map(fromBase64) };
    const last = changes.at(-1);
    if (last?.revision !== revision) changes.push(part);
    else changes[changes.length - 1] = { ...part, made: last.made + part.made, changed: last.changed + part.changed, deleted: last.deleted + part.deleted, keys: [...part.keys, ...last.keys].slice(0, keysMax) };
  }
  return { changes, more: !!answer.more, revision: answer.nextBeforeRevision ?? '0', sub: answer.nextBeforeSub ?? '0', compacted: answer.compactedRevision ?? '0' };
}

/** What has changed below a prefix, the last first, page after page. */
export function useChanges(prefix: Bytes) {
  const [shown, setShown] = useState<State | undefined>();
  const [failed, setFailed] = useState('');
  const read = async (was: State | undefined) => {
    setFailed('');
    try {
      setShown(await load(prefix, was));
    } catch (e) {
      setFailed(words(e));
    }
  };
  useEffect(() => { void read(undefined); }, [prefix]);
  return { shown, failed, further: () => void read(shown), again: () => void read(undefined) };
}

export const before = (revision: string | undefined): string => (BigInt(revision ?? 1) - 1n).toString();
/** What a button says that puts all of a prefix back. */
export const allBackTo = (prefix: Bytes, revision: string): string => `Put ${prefix ? 'all' : 'the whole store'} back to ${revision}`;
export const keysOf = (c: ChangedAt): number => c.made + c.changed + c.deleted;
export const whatOf = (c: ChangedAt): string => [[c.made, 'made'], [c.changed, 'changed'], [c.deleted, 'deleted']].filter(([n]) => n).map(([n, what]) => `${count(n)} ${what}`).join(', ');
