import { useState } from 'preact/hooks';
import { type Bytes, prefixRange, toBase64 } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { Field } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { nanoTime } from '../ui/format';
import { useLoad } from '../ui/load';
import { before, keysOf, useChanges, whatOf } from '../history/below';
import { call, words } from '../wire/call';
import type { RangeResponse } from '../wire/types';
import { PlanDialog } from './PlanDialog';

/** Returns the newest revision, after what is there has been read as at a revision: it is refused where that cannot be read. */
async function newest(of: Bytes, prefix: boolean, revision: string, signal?: AbortSignal): Promise<string> {
  const { key, rangeEnd } = prefix ? prefixRange(of) : { key: of, rangeEnd: '' };
  const answer = await call<RangeResponse>('etcdserverpb.KV/Range', { key: toBase64(key), rangeEnd: toBase64(rangeEnd), revision, limit: '1', keysOnly: true }, signal);
  return answer.header?.revision ?? '0';
}

/** Asks to which revision a key, or all below a prefix, is to go back, unless that is known already. */
export function PutBackDialog({ of, prefix, to, onClose }: { of: Bytes; prefix: boolean; to?: string; onClose: (changed: boolean) => void }) {
  const [text, setText] = useState(to ?? '');
  const [going, setGoing] = useState(!!to);
  const fine = /^[1-9]\d{0,18}$/.test(text);
  const { value: last } = useLoad((signal) => newest(of, prefix, '0', signal), [of, prefix]);
  const preview = async () => {
    try {
      await newest(of, prefix, text);
    } catch (e) {
      const future = /future revision/.test(words(e)) && await newest(of, prefix, '0');
      throw future ? new Error(`There is no revision ${text} yet: the newest is ${future}.`) : e;
    }
    setGoing(true);
  };
  if (going) return <PlanDialog title={`Put ${!prefix ? escape(of) : of ? `all keys that begin with ${escape(of)}` : 'the whole store'} back to revision ${text}?`} act="Put back" plans={[{ putBack: { key: toBase64(of), prefix, toRevision: text } }]} onClose={onClose} />;
  return (
    <Dialog wide title="Put back what was" act="Preview" disabled={!fine} onAct={preview} onClose={() => onClose(false)}>
      <p>{of ? <>All keys that begin with <code class="break">{escape(of)}</code></> : <strong>All keys of the store</strong>} become what they were: changed ones are put as they were, newer ones deleted, deleted ones made again.</p>
      {prefix && <Moments of={of} to={text} onChoose={setText} />}
      <Field label="As it was at revision" error={text && !fine ? 'A revision is a number, such as 4711.' : ''} hint={last && `The newest is ${last}.`}>
        {(own, hint) => <input id={own} aria-describedby={hint} inputMode="numeric" data-first value={text} onInput={(e) => setText(e.currentTarget.value.trim())} />}
      </Field>
    </Dialog>
  );
}

/** The last changes below a prefix, to choose before which all is to be as it was. */
function Moments({ of, to, onChoose }: { of: Bytes; to: string; onChoose: (to: string) => void }) {
  const { shown, failed, further } = useChanges(of);
  if (failed) return <p class="muted">What has changed lately cannot be listed: {failed}</p>;
  if (!shown) return <p class="muted">Looking for what has changed lately…</p>;
  if (!shown.changes.length && !shown.more) return <p class="muted">Nothing has changed here since the last compaction.</p>;
  return (
    <fieldset class="moments">
      <legend>As it was before this change</legend>
      <div class="moment-list" tabIndex={0} role="group" aria-label="The last changes">
        {shown.changes.map((c) => (
          <label key={c.revision} class="moment">
            <input type="radio" name="moment" checked={to === before(c.revision)} onChange={() => onChoose(before(c.revision))} />
            <span class="nowrap num">{nanoTime(c.time)}</span><span class="nowrap muted">revision {c.revision}</span><span class="nowrap">{whatOf(c)}</span>
            <span class="mono clip grow" title={c.keys.map((key) => escape(key)).join('\n')}>{c.keys.map((key) => escape(key)).join(', ')}{keysOf(c) > c.keys.length && ' …'}</span>
          </label>
        ))}
        {shown.more && <button type="button" onClick={further}>Look further back</button>}
      </div>
    </fieldset>
  );
}
