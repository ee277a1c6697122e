import { useEffect, useRef, useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { go, keyParam, link, paramKey } from '../shell/route';
import { Empty, Notice } from '../ui/basic';
import { count } from '../ui/format';
import { VirtualList } from '../ui/VirtualList';
import { Refused, words } from '../wire/call';
import { mode, query, refresh, separator, tree, turned } from './state';
import type { Line, Row, Tree } from './tree';

const rowHeight = 28;

/** Leads to what is chosen in the tree, and keeps the search. */
export function choose(what: { key?: Bytes; folder?: Bytes; make?: Bytes }) {
  const named = Object.fromEntries(Object.entries(what).filter(([, b]) => b !== undefined).map(([name, b]) => [name, keyParam(b!)]));
  go('keys', { q: query.value || undefined, by: mode.value === 'begins' ? 'begins' : undefined, ...named });
}

function name(line: Line, flat: boolean) {
  const row = line.row!;
  const text = escape(flat ? row.name : row.name.slice(line.level.prefix.length)) || '(empty)';
  const wanted = flat && mode.value === 'contains' ? query.value : '';
  const at = wanted ? text.toLowerCase().indexOf(wanted.toLowerCase()) : -1;
  return at < 0 ? text : <>{text.slice(0, at)}<mark>{text.slice(at, at + wanted.length)}</mark>{text.slice(at + wanted.length)}</>;
}

function TreeRow({ line, index, flat, chosen, cursor, onPick, onTurn }: { line: Line; index: number; flat: boolean; chosen: boolean; cursor: boolean; onPick: (line: Line, index: number) => void; onTurn: (line: Line, index: number) => void }) {
  const indent = { paddingInlineStart: `calc(${Math.min(line.depth, 12)} * var(--indent) + 4px)` };
  const kinds = `tree-row${chosen ? ' chosen' : ''}${cursor ? ' cursor' : ''}`;
  if (line.kind !== 'row') {
    const text = line.kind === 'failed' ? words(line.level.failed) : line.kind === 'none' ? 'No keys here.' : 'Loading…';
    return <div class={`${kinds} muted${line.kind === 'failed' ? ' bad' : ''}`} style={indent} role="treeitem" id={`row-${index}`} aria-level={line.depth + 1} title={text}><span class="twist" />{text}</div>;
  }
  const row = line.row!;
  return (
    <div class={kinds} style={indent} role="treeitem" id={`row-${index}`} aria-level={line.depth + 1} aria-posinset={line.place + 1} aria-setsize={-1} aria-selected={chosen}
      aria-expanded={row.folded ? line.opened : undefined} title={escape(row.name)} onClick={() => onPick(line, index)}>
      <span class={`twist${row.folded ? (line.opened ? ' open' : ' closed') : ''}`} aria-hidden="true" onClick={(e) => { if (row.folded) { e.stopPropagation(); onTurn(line, index); } }} />
      <span class="tree-name mono">{name(line, flat)}</span>
      {row.lease && <span class="badge" title="attached to a lease">lease</span>}
      {row.folded && <span class="tree-count">{count(row.keys)}{row.atLeast ? '+' : ''}</span>}
    </div>
  );
}

async function turn(of: Tree, line: Line, open: boolean) {
  if (line.row?.folded && open !== line.opened) await of.toggle(line.level, line.row, open);
}

export function TreeView() {
  void turned.value;
  const shown = tree.value;
  const [cursor, setCursor] = useState(-1);
  const under = useRef<Row | undefined>(undefined); // what the cursor is on, wherever that is once the tree was read again
  useEffect(() => setCursor(-1), [shown]);
  useEffect(() => {
    const at = cursor >= 0 && under.current && shown ? shown.tree.place(under.current) : -1;
    if (at >= 0) setCursor(at);
  }, [turned.value]);
  if (!shown) return null;
  const { tree: all, flat } = shown;
  const root = all.root;
  const chosenKey = paramKey('key');
  const chosenFolder = paramKey('folder');
  if (root.failed && !root.pages.length) {
    return (
      <div class="pad"><Notice kind="error" title="The keys cannot be listed">{words(root.failed)} <button type="button" onClick={refresh}>Try again</button>
        {root.failed instanceof Refused && root.failed.denied && <p>Type what the names begin with that you may read, after “begins with” above. <a href={link('access')}>Access</a> tells what that is.</p>}</Notice></div>
    );
  }
  if (root.begun && !root.more && all.size === 1 && root.pages.every((page) => !page.count)) return <Nothing />;

  const point = (index: number) => {
    setCursor(index);
    under.current = all.lines(index, index + 1)[0]?.row;
  };
  const pick = (line: Line, index: number) => {
    point(index);
    const row = line.row!;
    if (row.folded) {
      void turn(all, line, !line.opened);
      choose({ folder: row.name });
    } else choose({ key: row.name });
  };
  const turnAt = (line: Line, index: number) => { point(index); void turn(all, line, !line.opened); };
  const move = (to: number) => point(Math.max(0, Math.min(all.size - 1, to)));
  const keys = (e: KeyboardEvent) => {
    const line = cursor >= 0 ? all.lines(cursor, cursor + 1)[0] : undefined;
    switch (e.key) {
      case 'ArrowDown': case 'j': move(cursor + 1); break;
      case 'ArrowUp': case 'k': move(cursor - 1); break;
      case 'PageDown': move(cursor + 20); break;
      case 'PageUp': move(cursor - 20); break;
      case 'Home': move(0); break;
      case 'End': move(all.size - 1); break;
      case 'ArrowRight': if (line?.row?.folded && !line.opened) void turn(all, line, true); else move(cursor + 1); break;
      case 'ArrowLeft': if (line?.opened) void turn(all, line, false); else if (line && line.parent >= 0) move(line.parent); break;
      case 'Enter': case ' ': if (line?.row) pick(line, cursor); break;
      default: return;
    }
    e.preventDefault();
  };
  return (
    <VirtualList class="tree" role="tree" aria-label="Keys" tabIndex={0} size={all.size} rowHeight={rowHeight} reveal={cursor} onKeyDown={keys}
      aria-activedescendant={cursor >= 0 ? `row-${cursor}` : undefined}
      lines={(from, to) => all.lines(from, to).map((line, i) => (
        <TreeRow key={from + i} line={line} index={from + i} flat={flat} cursor={cursor === from + i} onPick={pick} onTurn={turnAt}
          chosen={!!line.row && (line.row.folded ? line.row.name === chosenFolder : line.row.name === chosenKey)} />
      ))} />
  );
}

function Nothing() {
  if (query.value) {
    return (
      <Empty title={mode.value === 'begins' ? 'No key begins with that' : 'No key has that in its name'}>
        <p>Names are searched as they are written here: <code>\xNN</code> is a byte. {mode.value === 'begins' ? 'Look for a part of the name instead, or ' : 'A text in lower case finds upper case, too. '}Press Escape in the search field to see all keys.</p>
      </Empty>
    );
  }
  return (
    <Empty title="There are no keys yet">
      <p>Press <kbd>n</kbd> to make the first one, or type in a terminal:</p>
      <pre>etcdctl put {separator.value || '/'}greeting hello</pre>
    </Empty>
  );
}
