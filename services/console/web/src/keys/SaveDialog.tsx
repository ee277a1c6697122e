import { useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import type { View } from '../bytes/views';
import { Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { Diff } from '../ui/Diff';
import { AttachField, type Chosen } from './AttachField';
import { MergeDialog } from './Merge';
import { type Held, isSaved, save, type Theirs } from './store';

/** Conflict is a change that cannot be saved, because the key is not what it was begun with. */
interface Conflict extends Theirs { base: Held | undefined; mine: Bytes }

interface Props {
  key_: Bytes;
  /** What was shown when the change began; undefined for a key that was not there. */
  base: Held | undefined;
  mine: Bytes;
  /** What the key is by now, where it is known already that somebody was faster. */
  met?: Theirs;
  view?: View['id'];
  onSaved: (revision: string) => void;
  onClose: () => void;
  /** The reader wants to go on with what is there now: the value, and what it is to be compared with. */
  onTake: (theirs: Held | undefined, value?: Bytes) => void;
}

/** Shows what a save would change, saves if the key is still what was shown, and otherwise shows what it is by now. */
export function SaveDialog({ key_, base, mine, met, view, onSaved, onClose, onTake }: Props) {
  const [chosen, setChosen] = useState<Chosen>({ attach: { to: base && base.lease !== '0' ? 'same' : 'none' }, wrong: '' });
  const [conflict, setConflict] = useState<Conflict | undefined>(met && { base, mine, theirs: met.theirs });
  const store = async (value: Bytes, over: Held | undefined) => {
    const attach = chosen.attach.to === 'same' && !over ? { to: 'none' as const } : chosen.attach;
    const outcome = await save(key_, value, over?.mod ?? '0', attach);
    if (isSaved(outcome)) onSaved(outcome.revision);
    else setConflict({ base: over, mine: value, theirs: outcome.theirs });
  };
  if (conflict?.theirs) {
    const theirs = conflict.theirs;
    return <MergeDialog key={theirs.mod} base={conflict.base} theirs={theirs} mine={conflict.mine} view={view} onSave={(value) => store(value, theirs)} onTake={(value) => onTake(theirs, value)} onClose={onClose} />;
  }
  if (conflict) return <Gone base={conflict.base!} mine={conflict.mine} view={view} onAgain={() => store(conflict.mine, undefined)} onLeave={() => onTake(undefined)} onClose={onClose} />;
  return (
    <Dialog wide title={base ? 'Save this change?' : 'Make this key?'} act={base ? 'Save' : 'Make it'} disabled={!!chosen.wrong} onAct={() => store(mine, base)} onClose={onClose}>
      <p class="mono break">{escape(key_)}</p>
      <Diff before={base?.value} after={mine} view={view} />
      <AttachField now={base?.lease ?? '0'} onChange={setChosen} />
      <p class="muted">{base ? `It is saved only if the key is still as at revision ${base.mod}.` : 'It is made only if there is still no such key.'}</p>
    </Dialog>
  );
}

/** There is nothing of theirs to be merged with. */
function Gone({ base, mine, view, onAgain, onLeave, onClose }: { base: Held; mine: Bytes; view?: View['id']; onAgain: () => Promise<void>; onLeave: () => void; onClose: () => void }) {
  return (
    <Dialog wide danger title="Conflict" act="Make it again with mine" onAct={onAgain} onClose={onClose} more={<button type="button" onClick={onLeave}>Leave it deleted</button>}>
      <Notice kind="warn" title="Somebody has deleted this key">You began at revision {base.mod}. Nothing is saved yet.</Notice>
      <section><h3>Mine</h3><p class="muted">what you changed of what it was</p><Diff label="Mine" before={base.value} after={mine} view={view} /></section>
    </Dialog>
  );
}
