import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { escape, unescape } from '../bytes/escape';
import type { View } from '../bytes/views';
import { keyParam, link } from '../shell/route';
import { useShortcuts } from '../shell/shortcuts';
import { Empty, Facts, Field, KeyName, Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { Diff } from '../ui/Diff';
import { id, size } from '../ui/format';
import { useLoad } from '../ui/load';
import { Stale } from '../ui/Stale';
import { toast } from '../ui/toast';
import { Value } from '../ui/Value';
import { words } from '../wire/call';
import { isStale, Pace, useFollowed } from '../wire/follow';
import { SaveDialog } from './SaveDialog';
import { refresh } from './state';
import { type Held, isSaved, readAt, remove, rename, type Theirs } from './store';
import { choose } from './TreeView';
import { ValueEditor } from './ValueEditor';

/** A change under way: what it is of, and what it is so far. It outlives other pages, so that nothing typed is lost. */
interface Draft { base: Held; value: Bytes; wrong: string }
const drafts = signal(new Map<Bytes, Draft>());
function setDraft(key: Bytes, draft: Draft | undefined) {
  const next = new Map(drafts.value);
  if (draft) next.set(key, draft);
  else next.delete(key);
  drafts.value = next;
}
addEventListener('beforeunload', (e) => { if ([...drafts.value.values()].some((draft) => draft.value !== draft.base.value)) e.preventDefault(); });

export function KeyPane({ name }: { name: Bytes }) {
  const [view, setView] = useState<View['id'] | undefined>();
  const [asked, setAsked] = useState<'save' | 'delete' | 'rename' | undefined>();
  const [met, setMet] = useState<Theirs | undefined>();
  const { value: got, failed, loading, again } = useLoad((signal) => readAt(name, signal), [name]);
  const shown = got?.held;
  const draft = drafts.value.get(name);
  const followed = useFollowed(name, '', got?.revision);
  const stale = isStale(followed, got?.revision);
  const pace = useRef(new Pace());
  // What a question is about stays as it was asked.
  useEffect(() => { if (stale && !asked) pace.current.soon(1000 + (shown?.value.length ?? 0) / 100, again); }, [stale, asked, followed.changed]);
  const [begun, setBegun] = useState(false);
  const edit = (base: Held, value = base.value) => { setBegun(true); setDraft(name, { base, value, wrong: '' }); };
  useShortcuts([
    { keys: 'e', what: 'Change the value', do: () => { if (shown && !draft) edit(shown); } },
    { keys: 'h', what: 'The history of the key', do: () => { location.hash = link('history', { key: keyParam(name) }); } },
  ]);
  if (failed && !got) return <Notice kind="error" title="The key cannot be read">{words(failed)} <button type="button" onClick={again}>Try again</button></Notice>;
  if (loading && !got) return <p class="muted pad">Loading…</p>;
  const line = <Stale of={followed} revision={got?.revision} failed={failed} onRead={again} />;
  if (!shown && !draft) {
    return (
      <Empty title="There is no such key">
        {line}
        <p class="mono break">{escape(name)}</p>
        <p>It may have been deleted: <a href={link('history', { key: keyParam(name) })}>its history</a> tells, as far as it is left.</p>
        <button type="button" class="primary" onClick={() => choose({ make: name })}>Make it</button>
      </Empty>
    );
  }
  const closed = () => { setAsked(undefined); setMet(undefined); };
  const done = (text: string) => { closed(); setDraft(name, undefined); toast(text); refresh(); };
  return (
    <article class="pane" aria-label="Key">
      <header><h1><KeyName name={name} /></h1></header>
      {shown && <Facts of={[
        ['Version', shown.version], ['Changed at', `revision ${shown.mod}`], ['Made at', `revision ${shown.create}`], ['Size', size(shown.value.length)],
        ['Lease', shown.lease === '0' ? 'none' : <a class="mono" href={link('leases', { lease: id(shown.lease) })}>{id(shown.lease)}</a>],
      ]} />}
      {line}
      {draft && draft.base.mod !== (shown?.mod ?? '0') && (
        <Notice kind="warn" title={shown ? `Somebody has changed this key while you edit: it is of revision ${shown.mod} now` : 'Somebody has deleted this key while you edit'}>
          What you have typed is as it was, on top of revision {draft.base.mod}. <button type="button" disabled={!!draft.wrong} onClick={() => { setMet({ theirs: shown }); setAsked('save'); }}>{shown ? 'Merge' : 'What now?'}</button>
        </Notice>
      )}
      {draft
        ? <ValueEditor key={`${name}:${draft.base.mod}`} label="Value" first={begun} value={draft.value} view={view} onChange={(value, wrong) => setDraft(name, { ...draft, value: value ?? draft.value, wrong })} />
        : shown && <Value value={shown.value} view={view} onView={setView} />}
      <div class={draft ? 'actions' : 'actions thirds'}>
        {draft ? (
          <>
            <button type="button" class="primary" disabled={!!draft.wrong} onClick={() => setAsked('save')}>Review and save</button>
            <button type="button" onClick={() => setDraft(name, undefined)}>Discard</button>
            {draft.value !== draft.base.value && <span class="muted">not saved yet</span>}
          </>
        ) : (
          <>
            <button type="button" class="primary" onClick={() => edit(shown!)}>Edit</button>
            <button type="button" onClick={() => setAsked('rename')}>Rename</button>
            <button type="button" onClick={() => setAsked('delete')}>Delete</button>
            <a class="button" href={link('history', { key: keyParam(name) })}>History</a>
            <a class="button" href={link('live', { key: keyParam(name) })}>Watch</a>
            <button type="button" onClick={again}>Read again</button>
          </>
        )}
      </div>
      {asked === 'save' && draft && (
        <SaveDialog key_={name} base={draft.base} mine={draft.value} met={met} view={view} onClose={closed}
          onSaved={(revision) => { done(`Saved at revision ${revision}.`); again(); }}
          onTake={(theirs, value) => { closed(); if (theirs && value !== undefined) edit(theirs, value); else setDraft(name, undefined); again(); refresh(); }} />
      )}
      {asked === 'delete' && shown && <DeleteDialog shown={shown} onClose={() => { setAsked(undefined); again(); }} onDone={() => { done('Deleted.'); again(); }} />}
      {asked === 'rename' && shown && <RenameDialog shown={shown} onClose={() => setAsked(undefined)} onDone={(to) => { done('Renamed.'); choose({ key: to }); }} />}
    </article>
  );
}

function DeleteDialog({ shown, onClose, onDone }: { shown: Held; onClose: () => void; onDone: () => void }) {
  const [now, setNow] = useState(shown);
  const [changed, setChanged] = useState(false);
  return (
    <Dialog danger title="Delete this key?" act="Delete" onClose={onClose} onAct={async () => {
      const outcome = await remove(now);
      if (isSaved(outcome) || !outcome.theirs) return onDone();
      setNow(outcome.theirs);
      setChanged(true);
    }}>
      {changed && <Notice kind="warn" title="It has changed meanwhile">Nothing is deleted yet. It is now what is below, of revision {now.mod}.</Notice>}
      <p class="mono break">{escape(shown.key)}</p>
      <Diff before={now.value} after={undefined} />
      <p class="muted">It can be put back from its history until that is compacted.</p>
    </Dialog>
  );
}

function RenameDialog({ shown, onClose, onDone }: { shown: Held; onClose: () => void; onDone: (to: Bytes) => void }) {
  const [text, setText] = useState(escape(shown.key));
  const [failed, setFailed] = useState('');
  let to: Bytes | undefined;
  let wrong = '';
  try {
    to = unescape(text);
    if (!to) wrong = 'A key has at least one byte.';
  } catch (e) {
    wrong = (e as Error).message;
  }
  useEffect(() => setFailed(''), [text]);
  return (
    <Dialog title="Rename this key" act="Rename" disabled={!!wrong || to === shown.key} onClose={onClose} onAct={async () => {
      const outcome = await rename(shown, to!);
      if (isSaved(outcome)) onDone(to!);
      else setFailed(outcome.theirs?.key === to ? 'There is a key of that name: choose another.' : 'The key has changed since it was shown: close this, and read it again.');
    }}>
      <Field label="New name" error={wrong || failed} hint="The value and the lease stay. Both happen at one revision.">
        {(own, hint) => <input id={own} aria-describedby={hint} class="mono full" data-first value={text} onInput={(e) => setText(e.currentTarget.value)} />}
      </Field>
    </Dialog>
  );
}
