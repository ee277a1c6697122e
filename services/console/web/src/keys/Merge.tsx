import { useMemo, useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { type Choice, isPlace, join, type Part, type Place, take } from '../bytes/merge';
import { type View, viewOf, viewsOf } from '../bytes/views';
import { Badge, Field, Notice, Segments } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { plural } from '../ui/format';
import type { Held } from './store';

/** With more places it is one question about the whole value, and of one place no more lines are shown. */
const placesMax = 100;
const linesMax = 200;

interface Props {
  base: Held | undefined;
  theirs: Held;
  mine: Bytes;
  view?: View['id'];
  /** Saves a value if the key is still theirs. */
  onSave: (value: Bytes) => Promise<void>;
  /** Goes on elsewhere on top of theirs: with theirs alone, or with what was made here. */
  onTake: (value?: Bytes) => void;
  onClose: () => void;
}

/** The view that all have; of each its own, so that what is read by theirs is written as theirs is. */
function viewsIn(values: Bytes[], wanted?: View['id']): View[] {
  const ids = viewsOf(values[0]!).map((view) => view.id).filter((id) => values.every((value) => viewsOf(value).some((view) => view.id === id)));
  const id = wanted && ids.includes(wanted) ? wanted : ids[0] ?? 'hex';
  return values.map((value) => viewOf(value, id));
}

function partsOf(base: string | undefined, theirs: string, mine: string): Part[] {
  const parts = take(base, theirs, mine);
  if (parts && parts.filter(isPlace).length <= placesMax) return parts;
  return [{ at: 0, base: base === undefined ? [] : [base], theirs: [theirs], mine: [mine], of: undefined }];
}

/** Makes one value of two: shows each place that is not the same, with what was there, theirs and mine, and takes what is chosen; the result can be edited. */
export function MergeDialog({ base, theirs, mine, view, onSave, onTake, onClose }: Props) {
  const { parts, places, shown } = useMemo(() => {
    const values = [theirs.value, mine, ...(base ? [base.value] : [])];
    const views = viewsIn(values, view);
    const texts = values.map((value, i) => views[i]!.show(value));
    const parts = partsOf(texts[2], texts[0]!, texts[1]!);
    return { parts, places: parts.filter(isPlace), shown: views[0]! };
  }, [base, theirs, mine, view]);
  const [choices, setChoices] = useState<(Choice | undefined)[]>(() => places.map((place) => place.of));
  const [typed, setTyped] = useState<string | undefined>();
  const text = typed ?? join(parts, choices);
  const open = typed === undefined ? choices.filter((choice) => !choice).length : 0;
  let result: Bytes | undefined;
  let wrong = '';
  try {
    result = shown.parse(text);
  } catch (e) {
    wrong = (e as Error).message;
  }
  const alike = result === theirs.value;
  const hint = open ? `${plural(open, 'place')} ${open === 1 ? 'is' : 'are'} still to be decided: until then theirs stands there.` : alike ? 'This is what is there already.' : shown.note;
  const more = (
    <>
      <button type="button" onClick={() => onTake()}>Keep theirs</button>
      {base && <button type="button" disabled={result === undefined} onClick={() => onTake(result)}>Go on editing the result</button>}
    </>
  );
  return (
    <Dialog wide title="Merge" act="Save the result" disabled={result === undefined || open > 0 || alike} onAct={() => onSave(result!)} onClose={onClose} more={more}>
      <Notice kind="warn" title={base ? 'Somebody has changed this key' : 'Somebody has made this key'}>
        {base ? `It is of revision ${theirs.mod} now, and you began at ${base.mod}.` : `It is of revision ${theirs.mod}.`} Nothing is saved yet; what you save is compared with revision {theirs.mod}.
      </Notice>
      {places.length > 1 && typed === undefined && (
        <div class="actions"><span class="muted">All {places.length} places:</span>
          <button type="button" onClick={() => setChoices(places.map(() => 'theirs'))}>Theirs</button><button type="button" onClick={() => setChoices(places.map(() => 'mine'))}>Mine</button>
        </div>
      )}
      {typed !== undefined && <Notice title="You have edited the result">It is as you have typed it. <button type="button" onClick={() => setTyped(undefined)}>Choose place by place again, without what was typed</button></Notice>}
      {typed === undefined && places.map((place, i) => (
        <OnePlace key={i} of={place} n={i + 1} based={!!base} choice={choices[i]} onChoose={(choice) => setChoices(choices.map((was, at) => (at === i ? choice : was)))} />
      ))}
      <Field label="Result" error={wrong} hint={hint}>
        {(own, described) => <textarea id={own} aria-describedby={described} aria-invalid={!!wrong} class="mono" spellcheck={false} autocapitalize="off" value={text} onInput={(e) => setTyped(e.currentTarget.value)} />}
      </Field>
    </Dialog>
  );
}

function OnePlace({ of, n, based, choice, onChoose }: { of: Place; n: number; based: boolean; choice: Choice | undefined; onChoose: (choice: Choice) => void }) {
  const who = of.of === 'mine' ? 'you have changed it' : of.of === 'theirs' ? 'they have changed it' : based ? 'both have changed it' : 'both have made it';
  const options: [Choice, string][] = [['theirs', 'Theirs'], ['mine', 'Mine'], ['both', 'Both']];
  if (based) options.push(['base', 'As it was']);
  return (
    <section class={`place${choice ? '' : ' undecided'}`} aria-label={`Place ${n}`}>
      <div class="toolbar">
        <h3>Line {of.at + 1}</h3><span class="muted">{who}</span>{!choice && <Badge kind="warn">choose</Badge>}<span class="grow" />
        <Segments<Choice | ''> label={`Place ${n}`} value={choice ?? ''} options={options} onChange={(to) => onChoose(to as Choice)} />
      </div>
      <div class={based ? 'sides three-sides' : 'sides'}>
        {based && <Side name="As it was" lines={of.base} taken={choice === 'base'} />}
        <Side name="Theirs" lines={of.theirs} taken={choice === 'theirs' || choice === 'both'} />
        <Side name="Mine" lines={of.mine} taken={choice === 'mine' || choice === 'both'} />
      </div>
    </section>
  );
}

function Side({ name, lines, taken }: { name: string; lines: string[]; taken: boolean }) {
  const text = lines.slice(0, linesMax).join('').slice(0, 64 << 10).replace(/\n$/, '');
  return (
    <div class={taken ? 'side-text taken' : 'side-text'} role="group" aria-label={name}>
      <h4>{name}{taken && <span class="sr"> (taken)</span>}</h4>
      {lines.length ? <pre tabIndex={0}>{text || ' '}</pre> : <p class="muted">nothing</p>}
      {lines.length > linesMax && <p class="muted">{lines.length - linesMax} more lines</p>}
    </div>
  );
}
