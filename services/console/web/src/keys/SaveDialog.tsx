import { useState } from 'preact/hooks';
import { type Bytes, fromText, toText } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { merge } from '../bytes/merge';
import { type View, viewOf } from '../bytes/views';
import { Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { Diff } from '../ui/Diff';
import { AttachField, type Chosen } from './AttachField';
import { type Held, isSaved, save } from './store';

interface Props {
  key_: Bytes;
  /** What was shown when the change began; undefined for a key that was not there. */
  base: Held | undefined;
  mine: Bytes;
  view?: View['id'];
  onSaved: (revision: string) => void;
  onClose: () => void;
  /** The reader wants to go on with what is there now: the value, and what it is to be compared with. */
  onTake: (theirs: Held | undefined, value?: Bytes) => void;
}

/** Theirs with the changes of mine in it; undefined where they touch the same lines, or are no text. */
function both(base: Bytes, theirs: Bytes, mine: Bytes): Bytes | undefined {
  const [b, t, m] = [toText(base), toText(theirs), toText(mine)];
  if (b === undefined || t === undefined || m === undefined || b.length + m.length > 200_000) return undefined;
  const merged = merge(b, t, m);
  return merged === undefined ? undefined : fromText(merged);
}

/** Shows what a save would change, saves if the key is still what was shown, and otherwise shows what it is by now. */
export function SaveDialog({ key_, base, mine, view, onSaved, onClose, onTake }: Props) {
  const [chosen, setChosen] = useState<Chosen>({ attach: { to: base && base.lease !== '0' ? 'same' : 'none' }, wrong: '' });
  const [conflict, setConflict] = useState<{ theirs: Held | undefined } | undefined>();
  const store = async (over: Held | undefined) => {
    const attach = chosen.attach.to === 'same' && !over ? { to: 'none' as const } : chosen.attach;
    const outcome = await save(key_, mine, over?.mod ?? '0', attach);
    if (isSaved(outcome)) onSaved(outcome.revision);
    else setConflict(outcome);
  };
  if (conflict) return <Conflict base={base} mine={mine} theirs={conflict.theirs} view={view} onOver={() => store(conflict.theirs)} onTake={onTake} onClose={onClose} />;
  return (
    <Dialog wide title={base ? 'Save this change?' : 'Make this key?'} act={base ? 'Save' : 'Make it'} disabled={!!chosen.wrong} onAct={() => store(base)} onClose={onClose}>
      <p class="mono break">{escape(key_)}</p>
      <Diff before={base?.value} after={mine} view={view} />
      <AttachField now={base?.lease ?? '0'} onChange={setChosen} />
      <p class="muted">{base ? `It is saved only if the key is still as at revision ${base.mod}.` : 'It is made only if there is still no such key.'}</p>
    </Dialog>
  );
}

function Conflict({ base, theirs, mine, view, onOver, onTake, onClose }: {
  base: Held | undefined; theirs: Held | undefined; mine: Bytes; view?: View['id']; onOver: () => Promise<void>; onTake: Props['onTake']; onClose: () => void;
}) {
  const merged = base && theirs && both(base.value, theirs.value, mine);
  const what = !theirs ? 'Somebody has deleted this key' : !base ? 'Somebody has made this key' : 'Somebody has changed this key';
  const more = (
    <>
      <button type="button" onClick={() => onTake(theirs)}>{theirs ? 'Keep theirs' : 'Leave it deleted'}</button>
      {merged !== undefined && merged !== theirs!.value && <button type="button" onClick={() => onTake(theirs, merged)}>Combine both and edit</button>}
    </>
  );
  return (
    <Dialog wide danger title="Conflict" act={theirs ? 'Save mine over theirs' : 'Make it again with mine'} onAct={onOver} onClose={onClose} more={more}>
      <Notice kind="warn" title={what}>{theirs ? `since you began: it is of revision ${theirs.mod} now` : 'since you began'}{base ? `, and you began at ${base.mod}.` : '.'} Nothing is saved yet.</Notice>
      <div class="three">
        <section><h3>Theirs</h3><p class="muted">{base ? 'what they changed of what you began with' : 'what is there now'}</p><Diff label="Theirs" before={base?.value} after={theirs?.value} view={view} /></section>
        <section><h3>Mine</h3><p class="muted">{base ? 'what you changed of it' : 'what you want it to be'}</p><Diff label="Mine" before={base?.value} after={mine} view={view} /></section>
      </div>
      <details><summary>What would change if mine is saved over theirs</summary><Diff label="Mine over theirs" before={theirs?.value} after={mine} view={view} /></details>
      {base && <details><summary>Base: what you began with</summary><pre class="boxed" tabIndex={0} aria-label="Base">{viewOf(base.value, view).show(base.value).slice(0, 65536) || '(empty)'}</pre></details>}
    </Dialog>
  );
}
