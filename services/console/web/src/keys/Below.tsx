import { useEffect, useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { escape, unescape } from '../bytes/escape';
import { keyParam, link } from '../shell/route';
import { Clip, Notice } from '../ui/basic';
import { count } from '../ui/format';
import { words } from '../wire/call';
import { children } from './sources';
import { separator } from './state';
import type { Row } from './tree';

interface State { rows: Row[]; more: boolean; revision: string }

/** The keys and folders directly below a prefix: a few at first, since the tree beside it has them all where there is room for a tree. They are read anew with at. */
export function Below({ prefix, at }: { prefix: Bytes; at: string | undefined }) {
  const [shown, setShown] = useState<State | undefined>();
  const [failed, setFailed] = useState('');
  const more = async (was: State | undefined, limit = 100) => {
    setFailed('');
    try {
      const { rows, more, revision } = await children(unescape(separator.value))(prefix, was?.rows.at(-1)?.name ?? '', limit, was?.revision ?? '0');
      setShown({ rows: [...(was?.rows ?? []), ...rows], more, revision });
    } catch (e) {
      setFailed(words(e));
    }
  };
  useEffect(() => { void more(undefined, shown?.rows.length || 10); }, [at]);
  if (failed) return <Notice kind="error">{failed} <button type="button" onClick={() => void more(shown)}>Try again</button></Notice>;
  if (!shown?.rows.length) return null;
  return (
    <div class="stack">
      <ul class="below" aria-label="What is in it">
        {shown.rows.map((row) => (
          <li key={row.name}>
            <Clip href={link('keys', row.folded ? { folder: keyParam(row.name) } : { key: keyParam(row.name) })} title={escape(row.name)}>{escape(row.name.slice(prefix.length)) || '(empty)'}</Clip>
            {row.folded && <span class="tree-count">{count(row.keys)}{row.atLeast ? '+' : ''}</span>}
          </li>
        ))}
      </ul>
      {shown.more && <p><button type="button" onClick={() => void more(shown)}>More</button></p>}
    </div>
  );
}
