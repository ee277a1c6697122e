import { diffLines } from 'diff';

interface Edit { from: number; to: number; lines: string[] }

/** Where two have changed one text: as lines, what was there and what each has made of it. of says who has changed it; undefined for both. */
export interface Place { at: number; base: string[]; theirs: string[]; mine: string[]; of: 'theirs' | 'mine' | undefined }
/** Part is a piece of a text: lines about which there is no question, or a place about which there is one. */
export type Part = string[] | Place;
export type Choice = 'theirs' | 'mine' | 'both' | 'base';
export const isPlace = (part: Part): part is Place => !Array.isArray(part);

const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
const same = (a: string[], b: string[]) => a.length === b.length && a.every((line, i) => line === b[i]);
const empty = (edit: Edit) => edit.from === edit.to;
const compare = (before: string, after: string) => diffLines(before, after, { timeout: 400 });

/** What was done to base, as places in its lines and what stands there instead. */
function edits(base: string, other: string): Edit[] | undefined {
  const parts = compare(base, other);
  if (!parts) return undefined;
  const found: Edit[] = [];
  let at = 0;
  for (const part of parts) {
    if (!part.added && !part.removed) { at += part.count; continue; }
    const last = found.at(-1);
    const edit = last && last.to === at ? last : { from: at, to: at, lines: [] };
    if (edit !== last) found.push(edit);
    if (part.removed) { at += part.count; edit.to = at; } else edit.lines.push(...linesOf(part.value));
  }
  return found;
}

/** The lines of base between two places with edits of them. */
function edited(lines: string[], from: number, to: number, edits: Edit[]): string[] {
  const out: string[] = [];
  for (const edit of edits) {
    out.push(...lines.slice(from, edit.from), ...edit.lines);
    from = edit.to;
  }
  return [...out, ...lines.slice(from, to)];
}

/**
 * Takes two changes of one text apart; without a text from before, what both have counts as that. Changes of the same lines are one place, and so is
 * one beside lines that the other puts in, of which it cannot be told which comes first. undefined where they are too different.
 */
export function take(base: string | undefined, theirs: string, mine: string): Part[] | undefined {
  const begun = base ?? compare(theirs, mine)?.filter((part) => !part.added && !part.removed).map((part) => part.value).join('');
  if (begun === undefined) return undefined;
  const [a, b] = [edits(begun, theirs), edits(begun, mine)];
  if (!a || !b) return undefined;
  const all = [...a, ...b].sort((x, y) => x.from - y.from || x.to - y.to);
  const lines = linesOf(begun);
  const out: Part[] = [];
  let at = 0;
  for (let i = 0; i < all.length;) {
    const from = all[i]!.from;
    let to = all[i]!.to;
    const first = i;
    do to = Math.max(to, all[i++]!.to); while (i < all.length && (all[i]!.from < to || all[i]!.from === to && (empty(all[i]!) || empty(all[i - 1]!))));
    const near = all.slice(first, i);
    const [was, t, m] = [lines.slice(from, to), edited(lines, from, to, near.filter((edit) => a.includes(edit))), edited(lines, from, to, near.filter((edit) => b.includes(edit)))];
    if (from > at) out.push(lines.slice(at, from));
    if (same(t, m)) out.push(t);
    else out.push({ at: from, base: was, theirs: t, mine: m, of: same(t, was) ? 'mine' : same(m, was) ? 'theirs' : undefined });
    at = to;
  }
  if (at < lines.length) out.push(lines.slice(at));
  return out;
}

/** The lines of a place as they were chosen. */
function chosen(place: Place, choice: Choice): string[] {
  if (choice !== 'both') return place[choice];
  const last = place.theirs.at(-1);
  return [...place.theirs.slice(0, -1), ...(last === undefined ? [] : [last.endsWith('\n') || !place.mine.length ? last : `${last}\n`]), ...place.mine];
}

/** The text that parts make, with one choice a place; where there is none it is theirs. */
export function join(parts: Part[], choices: (Choice | undefined)[]): string {
  let n = 0;
  return parts.flatMap((part) => (isPlace(part) ? chosen(part, choices[n++] ?? 'theirs') : part)).join('');
}
