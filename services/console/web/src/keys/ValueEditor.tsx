import { useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { type View, viewOf, viewsOf } from '../bytes/views';
import { Field, Segments } from '../ui/basic';
import { useFocus } from '../ui/focus';

interface Props {
  /** What is being edited; what it is later on is told by onChange. */
  value: Bytes;
  view?: View['id'];
  label: string;
  /** It has the focus when it appears. */
  first?: boolean;
  /** Told on each change: the value, or what is wrong with what was typed. */
  onChange: (value: Bytes | undefined, wrong: string) => void;
}

/** A field for a value in one of its views. What is not changed stays byte for byte what it was. */
export function ValueEditor({ value, view: wanted, label, first, onChange }: Props) {
  const [based, setBased] = useState({ value, view: viewOf(value, wanted) });
  const [text, setText] = useState(() => based.view.show(value));
  const [wrong, setWrong] = useState('');
  const ref = useFocus<HTMLTextAreaElement>(!!first);
  const read = (typed: string, view: View): Bytes | undefined => {
    try {
      const read = view.parse(typed);
      setWrong('');
      onChange(read, '');
      return read;
    } catch (e) {
      setWrong((e as Error).message);
      onChange(undefined, (e as Error).message);
      return undefined;
    }
  };
  const current = (): Bytes | undefined => { try { return based.view.parse(text); } catch { return undefined; } };
  const now = current();
  const change = (id: View['id']) => {
    if (now === undefined) return;
    const next = { value: now, view: viewOf(now, id) };
    setBased(next);
    setText(next.view.show(now));
    onChange(now, '');
  };
  const has = viewsOf(now !== undefined && now.length < 65536 ? now : based.value);
  const options = has.some((v) => v.id === based.view.id) ? has : [...has, based.view];
  return (
    <Field label={label} error={wrong} hint={based.view.note}>
      {(own, hint) => (
        <div class="value">
          {now === undefined ? <p class="muted">Other views are there again when this can be read.</p> : <Segments label="View" value={based.view.id} options={options.map((v) => [v.id, v.label])} onChange={change} />}
          <textarea id={own} ref={ref} class="mono" aria-describedby={hint} aria-invalid={!!wrong} spellcheck={false} autocapitalize="off" value={text}
            onInput={(e) => { setText(e.currentTarget.value); read(e.currentTarget.value, based.view); }} />
        </div>
      )}
    </Field>
  );
}
