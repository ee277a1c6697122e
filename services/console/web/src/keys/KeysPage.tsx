import { useEffect, useRef } from 'preact/hooks';
import { prefixRange } from '../bytes/bytes';
import { go, paramKey, route } from '../shell/route';
import { useShortcuts } from '../shell/shortcuts';
import { Empty, Notice } from '../ui/basic';
import { Stale } from '../ui/Stale';
import { isStale, moves, Pace, useFollowed } from '../wire/follow';
import { FolderPane } from './FolderPane';
import { KeyPane } from './KeyPane';
import { NewKey } from './NewKey';
import { mode, query, refresh, type SearchMode, separator, tree, turned, wrong } from './state';
import type { Tree } from './tree';
import { choose, TreeView } from './TreeView';

function Toolbar() {
  const ref = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useShortcuts([
    { keys: '/', what: 'Search keys', do: () => ref.current?.select() },
    { keys: 'n', what: 'Make a key', do: () => choose({ make: paramKey('folder') ?? '' }) },
    { keys: 'r', what: 'Read the keys again', do: refresh },
    { keys: 't', what: 'Go to the tree; arrows move, Enter opens', do: () => document.querySelector<HTMLElement>('.tree')?.focus() },
  ]);
  useEffect(() => { if (ref.current && document.activeElement !== ref.current) ref.current.value = query.value; }, [query.value]);
  const search = (q: string, by: SearchMode) => {
    const { params } = route.value;
    go('keys', { ...Object.fromEntries(params), q: q || undefined, by: by === 'begins' ? by : undefined }, true);
  };
  return (
    <div class="toolbar" role="search">
      <div class="search">
        <select aria-label="How to search" value={mode.value} onChange={(e) => search(ref.current?.value ?? '', e.currentTarget.value as SearchMode)}>
          <option value="contains">contains</option>
          <option value="begins">begins with</option>
        </select>
        <input ref={ref} type="search" class="mono" aria-label="Search keys" aria-invalid={!!wrong.value} placeholder="Search keys  ( / )" spellcheck={false} autocapitalize="off"
          onInput={(e) => { const text = e.currentTarget.value; clearTimeout(timer.current); timer.current = setTimeout(() => search(text, mode.value), 200); }}
          onKeyDown={(e) => {
            if (e.key === 'Escape') { e.currentTarget.value = ''; search('', mode.value); }
            if (e.key === 'Enter' || e.key === 'ArrowDown') { e.preventDefault(); document.querySelector<HTMLElement>('.tree')?.focus(); }
          }} />
      </div>
      <label class="inline">Fold at <input class="mono tiny" value={separator.value} maxLength={16} disabled={!!query.value} onInput={(e) => { separator.value = e.currentTarget.value; }} /></label>
      <span class="grow" />
      <button type="button" onClick={refresh} title="Read the keys again (r)">Refresh</button>
      <button type="button" class="primary" title="Make a key (n)" onClick={() => choose({ make: paramKey('folder') ?? '' })}>New key</button>
      {wrong.value && <p class="hint bad full" role="alert">{wrong.value}</p>}
    </div>
  );
}

export function KeysPage() {
  const key = paramKey('key');
  const folder = paramKey('folder');
  const make = paramKey('make');
  const some = key !== undefined || folder !== undefined || make !== undefined;
  return (
    <div class={`split${some ? ' some' : ''}`}>
      <section class="side" aria-label="All keys"><Toolbar /><TreeView />{tree.value ? <Status key={tree.value.tree.id} of={tree.value.tree} /> : <div />}</section>
      <section class="main" aria-label="Chosen">
        {some && <button type="button" class="back" onClick={() => choose({})}>‹ All keys</button>}
        {key !== undefined ? <KeyPane key={key} name={key} /> : make !== undefined ? <NewKey key={make} below={make} /> : folder !== undefined ? <FolderPane key={folder} prefix={folder} /> : <Hint />}
      </section>
    </div>
  );
}

const pace = new Pace();
/** Says of when the tree is. It is read again when keys have come or gone; by hand where it is scrolled, so that nothing moves under the reader. */
function Status({ of }: { of: Tree }) {
  void turned.value;
  const { key, rangeEnd } = prefixRange(of.root.prefix);
  const followed = useFollowed(key, rangeEnd, of.revision, moves);
  const stale = isStale(followed, of.revision);
  useEffect(() => {
    if (stale) pace.soon(5000 + 100 * of.folders, () => { if (tree.value?.tree === of && !document.querySelector('.tree')?.scrollTop) refresh(); });
  }, [stale, followed.changed]);
  return <div class="status"><span>{of.revision === '0' ? 'reading…' : `as at revision ${of.revision}`}</span><Stale of={followed} revision={of.revision} onRead={refresh} /></div>;
}

function Hint() {
  if (wrong.value) return <Notice kind="error" title="This cannot be searched">{wrong.value}</Notice>;
  return (
    <Empty title="Choose a key">
      <p><kbd>/</kbd> searches, <kbd>t</kbd> goes to the tree, <kbd>n</kbd> makes a key, <kbd>?</kbd> lists all keys of the keyboard.</p>
      <p><button type="button" onClick={() => choose({ folder: '' })}>All keys together: export, import, put back, delete</button></p>
    </Empty>
  );
}
