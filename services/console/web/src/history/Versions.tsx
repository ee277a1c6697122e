import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type Bytes, fromBase64, toBase64 } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import type { View } from '../bytes/views';
import { PutBackDialog } from '../plans/PutBackDialog';
import { keyParam, link } from '../shell/route';
import { Badge, Empty, Notice, Segments } from '../ui/basic';
import { Diff } from '../ui/Diff';
import { id, nanoTime, size } from '../ui/format';
import { toast } from '../ui/toast';
import { Value } from '../ui/Value';
import { call, inspectService, words } from '../wire/call';
import type { HistoryResponse, Version } from '../wire/types';
import { Changes } from './Changes';

const page = '50';

interface State { versions: Version[]; more: boolean; compacted: string }

async function load(key: Bytes, before: string): Promise<State> {
  const answer = await call<HistoryResponse>(`${inspectService}/History`, { key: toBase64(key), limit: page, before, withValues: true });
  return { versions: answer.versions ?? [], more: !!answer.more, compacted: answer.compactedRevision ?? '0' };
}

const valueOf = (v: Version | undefined): Bytes | undefined => (!v || v.deleted ? undefined : fromBase64(v.value));

/** The versions of a key, the newest first, and what is different between two of them. */
export function Versions({ of }: { of: Bytes }) {
  const [shown, setShown] = useState<State | undefined>();
  const [failed, setFailed] = useState('');
  const [from, setFrom] = useState(1);
  const [to, setTo] = useState(0);
  const [view, setView] = useState<View['id'] | undefined>();
  const [what, setWhat] = useState<'difference' | 'value'>('difference');
  const [asked, setAsked] = useState<string | undefined>();
  const more = async (was: State | undefined) => {
    setFailed('');
    try {
      const next = await load(of, was?.versions.at(-1)?.revision ?? '0');
      setShown({ ...next, versions: [...(was?.versions ?? []), ...next.versions] });
    } catch (e) {
      setFailed(words(e));
    }
  };
  const again = () => { setFrom(1); setTo(0); void more(undefined); };
  useEffect(() => { void more(undefined); }, [of]);
  if (failed) return <Notice kind="error" title="The history cannot be read">{failed} <button type="button" onClick={() => void more(shown)}>Try again</button></Notice>;
  if (!shown) return <p class="muted">Loading…</p>;
  const { versions } = shown;
  const compacted = shown.compacted !== '0' && <p class="muted">What was before revision {shown.compacted} is compacted: of that only what was there then is left.</p>;
  if (!versions.length) return <NoVersions of={of}><Empty title="Nothing is left of this key"><p>There is no key of that name, and there was none since the last compaction. Names are exact: <code>/a</code> is another key than <code>/a/</code>.</p>{compacted}</Empty></NoVersions>;
  const chosen = versions[to];
  const base = versions[from];
  return (
    <div class="columns">
      <section class="stack" aria-label="Versions">
        <div class="table">
          <table class="versions">
            <thead><tr><th title="Compare from">From</th><th title="Compare to">To</th><th class="num">Revision</th><th>When</th><th>Version</th><th class="num">Size</th><th><span class="sr">What to do</span></th></tr></thead>
            <tbody>
              {versions.map((v, i) => (
                <tr key={v.revision} class={i === to ? 'chosen' : ''} onClick={() => { setTo(i); setFrom(Math.min(i + 1, versions.length - 1)); }}>
                  <td onClick={(e) => e.stopPropagation()}><input type="radio" name="from" aria-label={`from revision ${v.revision}`} checked={i === from} onChange={() => setFrom(i)} /></td>
                  <td onClick={(e) => e.stopPropagation()}><input type="radio" name="to" aria-label={`to revision ${v.revision}`} checked={i === to} onChange={() => setTo(i)} /></td>
                  <td class="num mono">{v.revision}</td><td class="nowrap">{nanoTime(v.timeUnixNano)}</td>
                  <td>{v.deleted ? <Badge kind="bad">deleted</Badge> : v.version === '1' ? <Badge kind="good">made</Badge> : v.version} {v.lease && <Badge>lease {id(v.lease)}</Badge>}</td>
                  <td class="num">{v.deleted ? '' : size(v.valueBytes)}</td>
                  <td onClick={(e) => e.stopPropagation()}>{i > 0 && <button type="button" aria-label={`Put back revision ${v.revision}`} onClick={() => setAsked(v.revision)}>Put back</button>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {shown.more && <p><button type="button" onClick={() => void more(shown)}>Older versions</button></p>}
        {!shown.more && compacted}
      </section>
      <section class="stack" aria-label="Chosen version">
        <div class="toolbar">
          <Segments label="Show" value={what} options={[['difference', 'Difference'], ['value', `Value at ${chosen?.revision}`]]} onChange={setWhat} />
          <span class="grow" />
          {to > 0 && <button type="button" class="primary" onClick={() => setAsked(chosen?.revision)}>Put back revision {chosen?.revision}</button>}
          <a class="button" href={link('keys', { key: keyParam(of) })}>The key now</a>
        </div>
        {what === 'value'
          ? chosen?.deleted ? <p class="muted">The key was deleted at this revision.</p> : <Value value={valueOf(chosen) ?? ''} view={view} onView={setView} />
          : from === to && versions.length > 1 ? <p class="muted">Choose two versions to compare.</p>
            : <>
              <p class="muted">{versions.length > 1 ? `From revision ${base?.revision} to ${chosen?.revision}` : `As it was made at revision ${chosen?.revision}`}</p>
              <Diff before={versions.length > 1 ? valueOf(base) : undefined} after={valueOf(chosen)} view={view} />
            </>}
      </section>
      {asked && <PutBackDialog of={of} prefix={false} to={asked} onClose={(changed) => { setAsked(undefined); if (changed) { toast('Put back.'); again(); } }} />}
    </div>
  );
}

/** A name that is no key may be what names of keys begin with: then what happened to those is what there is to tell. */
function NoVersions({ of, children }: { of: Bytes; children: ComponentChildren }) {
  return <Changes prefix={of} none={children} head={<Notice title="There is no key of that name itself"><span class="mono break">{escape(of)}</span> has no versions, and below it there is this:</Notice>} />;
}
