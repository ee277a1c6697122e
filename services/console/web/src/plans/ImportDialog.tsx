import { useMemo, useState } from 'preact/hooks';
import { Field, Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { plural, size } from '../ui/format';
import { readLines } from './lines';
import { PlanDialog } from './PlanDialog';
import { importPlans } from './run';

const sizeMax = 64 << 20;

/** Asks for JSON lines, and previews what they would change. */
export function ImportDialog({ onClose }: { onClose: (changed: boolean) => void }) {
  const [text, setText] = useState('');
  const [file, setFile] = useState('');
  const [failed, setFailed] = useState('');
  const [onlyNew, setOnlyNew] = useState(false);
  const [going, setGoing] = useState(false);
  const read = useMemo(() => {
    try {
      return { entries: readLines(text), wrong: '' };
    } catch (e) {
      return { entries: [], wrong: (e as Error).message };
    }
  }, [text]);
  if (going) return <PlanDialog title="Import these keys?" act="Import" plans={importPlans(read.entries, onlyNew)} onClose={onClose} />;
  const take = async (chosen: File | undefined) => {
    if (!chosen) return;
    if (chosen.size > sizeMax) return setFailed(`${chosen.name} has ${size(chosen.size)}; up to ${size(sizeMax)} go through a browser. quoratectl import takes any size.`);
    setFailed('');
    setFile(chosen.name);
    setText(await chosen.text());
  };
  return (
    <Dialog wide title="Import keys" act="Preview" disabled={!read.entries.length} onAct={() => setGoing(true)} onClose={() => onClose(false)}>
      <Field label="A file of JSON lines" error={failed} hint="As Export here, or quoratectl export, writes it.">{(own, hint) => <input id={own} aria-describedby={hint} type="file" accept=".jsonl,.json,.ndjson,.txt" onChange={(e) => void take(e.currentTarget.files?.[0])} />}</Field>
      {!file && (
        <Field label="or lines, typed or pasted" error={read.wrong} hint={read.entries.length ? plural(read.entries.length, 'key') : 'An object a line.'}>
          {(own, hint) => <textarea id={own} aria-describedby={hint} class="mono" rows={6} spellcheck={false} placeholder={'{"key":"/greeting","value":"hello"}'} value={text} onInput={(e) => setText(e.currentTarget.value)} />}
        </Field>
      )}
      {file && (read.wrong ? <Notice kind="error" title={`${file} cannot be read`}>{read.wrong}</Notice> : <Notice kind="good">{file} has {plural(read.entries.length, 'key')}.</Notice>)}
      <label class="check"><input type="checkbox" checked={onlyNew} onChange={(e) => setOnlyNew(e.currentTarget.checked)} /> Leave alone what is there already</label>
    </Dialog>
  );
}
