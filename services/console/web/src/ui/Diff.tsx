import { diffLines, diffWordsWithSpace } from 'diff';
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { type View, viewOf, viewsOf } from '../bytes/views';
import { size } from './format';

interface Line { sign: ' ' | '+' | '-' | '…'; text: ComponentChildren }
/** Lines around a change that are shown, too. */
const around = 3;
/** Milliseconds after which what is compared is too different to be compared. */
const limit = 400;
const shownMax = 2000;

const ends = (text: string) => text.replace(/\n$/, '').split('\n');

function words(before: string, after: string): [ComponentChildren, ComponentChildren] {
  const parts = before.length + after.length < 4000 ? diffWordsWithSpace(before, after, { timeout: 50 }) : undefined;
  if (!parts || !parts.some((part) => !part.added && !part.removed)) return [before, after];
  const side = (skip: 'added' | 'removed', mark: 'added' | 'removed') => parts.filter((part) => !part[skip]).map((part) => (part[mark] ? <mark>{part.value}</mark> : part.value));
  return [side('added', 'removed'), side('removed', 'added')];
}

function compare(before: string, after: string): Line[] | undefined {
  const parts = diffLines(before, after, { timeout: limit });
  if (!parts) return undefined;
  const lines: Line[] = [];
  parts.forEach((part, i) => {
    const texts = ends(part.value);
    if (part.removed && parts[i + 1]?.added && part.count === parts[i + 1]!.count) {
      const pairs = ends(parts[i + 1]!.value).map((text, n) => words(texts[n]!, text));
      pairs.forEach(([old]) => lines.push({ sign: '-', text: old }));
      pairs.forEach(([, now]) => lines.push({ sign: '+', text: now }));
    } else if (part.added && parts[i - 1]?.removed && part.count === parts[i - 1]!.count) return;
    else if (part.added || part.removed) texts.forEach((text) => lines.push({ sign: part.added ? '+' : '-', text }));
    else {
      const head = i === 0 ? 0 : around;
      const tail = i === parts.length - 1 ? 0 : around;
      if (texts.length <= head + tail + 1) texts.forEach((text) => lines.push({ sign: ' ', text }));
      else {
        texts.slice(0, head).forEach((text) => lines.push({ sign: ' ', text }));
        lines.push({ sign: '…', text: `${texts.length - head - tail} lines alike` });
        texts.slice(texts.length - tail).forEach((text) => lines.push({ sign: ' ', text }));
      }
    }
  });
  return lines;
}

/** The view in which two values can be compared: one that both have. */
function common(before: Bytes | undefined, after: Bytes | undefined, wanted?: View['id']): [View, View] {
  const all = [before, after].filter((value) => value !== undefined).map(viewsOf);
  const ids = (all[0] ?? []).map((view) => view.id).filter((id) => all.every((views) => views.some((view) => view.id === id)));
  const id = wanted && ids.includes(wanted) ? wanted : ids[0];
  return [viewOf(before ?? '', id), viewOf(after ?? '', id)];
}

/** What is different between two values; undefined is a key that is not there. */
export function Diff({ before, after, view, label = 'Difference' }: { before: Bytes | undefined; after: Bytes | undefined; view?: View['id']; label?: string }) {
  const shown = useMemo(() => {
    if (before === after) return undefined;
    const [one, other] = common(before, after, view);
    return compare(before === undefined ? '' : one.show(before), after === undefined ? '' : other.show(after));
  }, [before, after, view]);
  if (before === after) return <p class="muted">The values are the same, byte for byte.</p>;
  if (!shown) return <p class="muted">The values are too different to be shown line by line: {size(before?.length)} before, {size(after?.length)} after.</p>;
  if (!shown.length) return <p class="muted">{before === undefined ? 'An empty value.' : 'The values differ only in what this view does not show.'}</p>;
  return (
    <div class="diff" role="group" aria-label={label} tabIndex={0}>
      {shown.slice(0, shownMax).map((line, i) => (
        <div key={i} class={line.sign === '+' ? 'added' : line.sign === '-' ? 'removed' : line.sign === '…' ? 'alike' : ''}>
          <span class="sign" aria-hidden="true">{line.sign}</span>{line.sign === '+' && <span class="sr">added: </span>}{line.sign === '-' && <span class="sr">removed: </span>}<span>{line.text}</span>
        </div>
      ))}
      {shown.length > shownMax && <div class="alike">{shown.length - shownMax} more lines</div>}
    </div>
  );
}
