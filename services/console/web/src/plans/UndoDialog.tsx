import { useState } from 'preact/hooks';
import { type Bytes, toBase64 } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { Field } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { PlanDialog } from './PlanDialog';

/** Asks to which revision a key, or all below a prefix, is to go back, unless that is known already. */
export function UndoDialog({ of, prefix, to, onClose }: { of: Bytes; prefix: boolean; to?: string; onClose: (changed: boolean) => void }) {
  const [text, setText] = useState(to ?? '');
  const [going, setGoing] = useState(!!to);
  const fine = /^[1-9]\d{0,18}$/.test(text);
  if (going) return <PlanDialog title={`Put it back to revision ${text}?`} act="Put back" plans={[{ undo: { key: toBase64(of), prefix, toRevision: text } }]} onClose={onClose} />;
  return (
    <Dialog title="Put back what was" act="Preview" disabled={!fine} onAct={() => setGoing(true)} onClose={() => onClose(false)}>
      <p>{of ? <>All keys that begin with <code class="break">{escape(of)}</code></> : 'All keys'} become what they were: changed ones are put as they were, newer ones deleted, deleted ones made again.</p>
      <Field label="As it was at revision" error={text && !fine ? 'A revision is a number, such as 4711.' : ''} hint="The page History tells which revision was when.">
        {(own, hint) => <input id={own} aria-describedby={hint} inputMode="numeric" data-first value={text} onInput={(e) => setText(e.currentTarget.value.trim())} />}
      </Field>
    </Dialog>
  );
}
