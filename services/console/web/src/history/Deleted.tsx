import { useEffect, useState } from 'preact/hooks';
import { type Bytes, fromBase64, toBase64 } from '../bytes/bytes';
import { PutBackDialog } from '../plans/PutBackDialog';
import { keyParam, link } from '../shell/route';
import { Empty, KeyName, Notice } from '../ui/basic';
import { nanoTime, size } from '../ui/format';
import { toast } from '../ui/toast';
import { call, inspectService, words } from '../wire/call';
import type { DeletedKey, DeletedResponse } from '../wire/types';
import { allBackTo, before } from './below';

interface State { keys: DeletedKey[]; more: boolean; revision: string; sub: string; compacted: string }

async function load(prefix: Bytes, was: State | undefined): Promise<State> {
  const answer = await call<DeletedResponse>(`${inspectService}/Deleted`, { prefix: toBase64(prefix), limit: '100', beforeRevision: was?.revision ?? '0', beforeSub: was?.sub ?? '0' });
  return {
    keys: [...(was?.keys ?? []), ...(answer.keys ?? [])], more: !!answer.more, revision: answer.nextBeforeRevision ?? '0', sub: answer.nextBeforeSub ?? '0', compacted: answer.compactedRevision ?? '0',
  };
}

/** The keys below a prefix that were deleted and are not there again, the last deletion first. */
export function Deleted({ prefix }: { prefix: Bytes }) {
  const [shown, setShown] = useState<State | undefined>();
  const [failed, setFailed] = useState('');
  const [asked, setAsked] = useState<{ of: Bytes; whole: boolean; to: string } | undefined>();
  const more = async (was: State | undefined) => {
    setFailed('');
    try {
      setShown(await load(prefix, was));
    } catch (e) {
      setFailed(words(e));
    }
  };
  useEffect(() => { void more(undefined); }, [prefix]);
  if (failed) return <Notice kind="error" title="What was deleted cannot be read">{failed} <button type="button" onClick={() => void more(shown)}>Try again</button></Notice>;
  if (!shown) return <p class="muted">Loading…</p>;
  const compacted = shown.compacted !== '0' && <p class="muted">What was deleted at revision {shown.compacted}, or before, is compacted and not known any more.</p>;
  if (!shown.keys.length && !shown.more) return <Empty title="Nothing was deleted here"><p>No key {prefix ? 'below this prefix ' : ''}was deleted since the last compaction, or all are there again.</p>{compacted}</Empty>;
  return (
    <div class="stack">
      <div class="table stacks">
        <table>
          <thead><tr><th>Key</th><th class="num">Deleted at</th><th>When</th><th class="num">Last size</th><th><span class="sr">What to do</span></th></tr></thead>
          <tbody>
            {shown.keys.map((k) => {
              const key = fromBase64(k.key);
              return (
                <tr key={k.key}>
                  <td class="wide"><KeyName name={key} href={link('history', { key: keyParam(key) })} /></td><td class="num mono">{k.revision}</td><td class="nowrap">{nanoTime(k.timeUnixNano)}</td>
                  <td class="num">{size(k.last?.valueBytes)}</td>
                  <td><div class="actions">
                    <button type="button" onClick={() => setAsked({ of: key, whole: false, to: before(k.revision) })}>Put back</button>
                    <button type="button" title={prefix ? 'All keys of the prefix as they were before this deletion' : 'All keys of the store as they were before this deletion'} onClick={() => setAsked({ of: prefix, whole: true, to: before(k.revision) })}>{allBackTo(prefix, before(k.revision))}</button>
                  </div></td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {shown.more && <p><button type="button" onClick={() => void more(shown)}>Look further back</button></p>}
      {!shown.more && compacted}
      {asked && <PutBackDialog of={asked.of} prefix={asked.whole} to={asked.to} onClose={(changed) => { setAsked(undefined); if (changed) { toast('Put back.'); void more(undefined); } }} />}
    </div>
  );
}
