import { useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { escape, unescape } from '../bytes/escape';
import { Field } from '../ui/basic';
import { useFocus } from '../ui/focus';
import { toast } from '../ui/toast';
import { SaveDialog } from './SaveDialog';
import { refresh } from './state';
import { choose } from './TreeView';
import { ValueEditor } from './ValueEditor';

/** Asks for a key that is not there yet; below is what its name is likely to begin with. */
export function NewKey({ below }: { below: Bytes }) {
  const [name, setName] = useState(escape(below));
  const [value, setValue] = useState<{ value: Bytes | undefined; wrong: string }>({ value: '', wrong: '' });
  const [asked, setAsked] = useState(false);
  const first = useFocus<HTMLInputElement>();
  let key: Bytes | undefined;
  let wrong = '';
  try {
    key = unescape(name);
  } catch (e) {
    wrong = (e as Error).message;
  }
  return (
    <article class="pane" aria-label="New key">
      <header><h1>New key</h1></header>
      <Field label="Key" error={wrong} hint="UTF-8; \xNN is a byte, \\ a backslash.">
        {(own, hint) => <input id={own} aria-describedby={hint} class="mono full" ref={first} value={name} placeholder="/greeting" onInput={(e) => setName(e.currentTarget.value)} />}
      </Field>
      <ValueEditor value="" label="Value" onChange={(value, wrong) => setValue({ value, wrong })} />
      <div class="actions">
        <button type="button" class="primary" disabled={!key || !!wrong || value.value === undefined} onClick={() => setAsked(true)}>Review and make</button>
        <button type="button" onClick={() => choose({})}>Cancel</button>
      </div>
      {asked && (
        <SaveDialog key_={key!} base={undefined} mine={value.value!} onClose={() => setAsked(false)}
          onSaved={(revision) => { toast(`Made at revision ${revision}.`); refresh(); choose({ key: key! }); }}
          onTake={() => { refresh(); choose({ key: key! }); }} />
      )}
    </article>
  );
}
