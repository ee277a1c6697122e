import { useEffect, useRef, useState } from 'preact/hooks';
import { type Bytes, prefixRange, toBase64 } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { ExportDialog } from '../plans/ExportDialog';
import { ImportDialog } from '../plans/ImportDialog';
import { PlanDialog } from '../plans/PlanDialog';
import { PutBackDialog } from '../plans/PutBackDialog';
import { keyParam, link } from '../shell/route';
import { Facts, Field, KeyName, Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { count } from '../ui/format';
import { useLoad } from '../ui/load';
import { Stale } from '../ui/Stale';
import { toast } from '../ui/toast';
import { call, words } from '../wire/call';
import { isStale, moves, Pace, useFollowed } from '../wire/follow';
import type { RangeResponse } from '../wire/types';
import { Below } from './Below';
import { refresh } from './state';
import { choose } from './TreeView';

async function countOf(prefix: Bytes, signal: AbortSignal): Promise<{ keys: string; revision: string }> {
  const { key, rangeEnd } = prefixRange(prefix);
  const answer = await call<RangeResponse>('etcdserverpb.KV/Range', { key: toBase64(key), rangeEnd: toBase64(rangeEnd), countOnly: true }, signal);
  return { keys: answer.count ?? '0', revision: answer.header?.revision ?? '0' };
}

/** What can be done with all keys below a prefix; an empty one is of all keys. */
export function FolderPane({ prefix }: { prefix: Bytes }) {
  const [asked, setAsked] = useState<'export' | 'import' | 'delete' | 'sure' | 'putBack' | undefined>();
  const { value: counted, failed, again } = useLoad((signal) => countOf(prefix, signal), [prefix]);
  const range = prefixRange(prefix);
  const followed = useFollowed(range.key, range.rangeEnd, counted?.revision, moves);
  const stale = isStale(followed, counted?.revision);
  const pace = useRef(new Pace());
  useEffect(() => { if (stale) pace.current.soon(5000 + Number(counted!.keys) / 100, again); }, [stale, followed.changed]);
  const closed = (changed: boolean) => {
    setAsked(undefined);
    if (!changed) return;
    toast('Done.');
    refresh();
    again();
  };
  const plan = prefix ? { delete: { prefix: toBase64(prefix) } } : { delete: { all: true } };
  return (
    <article class="pane" aria-label="Folder">
      <header><h1><KeyName name={prefix} /></h1></header>
      {failed && !counted ? <Notice kind="error">{words(failed)}</Notice> : <Facts of={[['Keys', counted ? count(counted.keys) : '…']]} />}
      <Stale of={followed} revision={counted?.revision} failed={counted && failed} onRead={again} />
      <div class="actions">
        <button type="button" class="primary" onClick={() => choose({ make: prefix })}>New key here</button>
        <a class="button" href={link('live', { prefix: keyParam(prefix) })}>Watch</a>
        <a class="button" href={link('history', { tab: 'changes', prefix: keyParam(prefix) })}>History</a>
        <a class="button" href={link('history', { tab: 'deleted', prefix: keyParam(prefix) })}>What was deleted</a>
      </div>
      <Below prefix={prefix} at={counted?.revision} />
      <h2>All of them</h2>
      <div class="actions">
        <button type="button" onClick={() => setAsked('export')}>Export</button>
        <button type="button" onClick={() => setAsked('import')}>Import</button>
        <button type="button" onClick={() => setAsked('putBack')}>Put back</button>
        <button type="button" class="danger" onClick={() => setAsked(prefix ? 'delete' : 'sure')}>Delete</button>
      </div>
      <p class="muted">Whatever changes keys shows first what it would change, at one revision.</p>
      {asked === 'export' && <ExportDialog prefix={prefix} onClose={() => setAsked(undefined)} />}
      {asked === 'import' && <ImportDialog onClose={closed} />}
      {asked === 'putBack' && <PutBackDialog of={prefix} prefix onClose={closed} />}
      {asked === 'sure' && <Sure onSure={() => setAsked('delete')} onClose={() => setAsked(undefined)} />}
      {asked === 'delete' && <PlanDialog danger title={prefix ? `Delete all keys that begin with ${escape(prefix)}?` : 'Delete all keys?'} act="Delete" plans={[plan]} onClose={closed} />}
    </article>
  );
}

function Sure({ onSure, onClose }: { onSure: () => void; onClose: () => void }) {
  const [text, setText] = useState('');
  return (
    <Dialog danger title="All keys of the store?" act="Preview" disabled={text !== 'all keys'} onAct={onSure} onClose={onClose}>
      <Notice kind="warn">Whoever uses this store loses all that it has there.</Notice>
      <Field label="Write: all keys">{(own) => <input id={own} data-first value={text} autocomplete="off" onInput={(e) => setText(e.currentTarget.value)} />}</Field>
    </Dialog>
  );
}
