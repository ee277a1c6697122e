import { diffLines } from 'diff';

interface Edit { from: number; to: number; lines: string[] }

const linesOf = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

/** What was done to base, as places in its lines and what stands there instead. */
function edits(base: string, other: string): Edit[] | undefined {
  const parts = diffLines(base, other, { timeout: 400 });
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

/** Base with the changes of both; undefined where they touch the same lines, or lines beside each other. */
export function merge(base: string, theirs: string, mine: string): string | undefined {
  const [a, b] = [edits(base, theirs), edits(base, mine)];
  if (!a || !b) return undefined;
  const all = [...a, ...b].sort((x, y) => x.from - y.from || x.to - y.to);
  const lines = linesOf(base);
  const out: string[] = [];
  let at = 0;
  let before: Edit | undefined;
  for (const edit of all) {
    if (before && edit.from <= before.to) {
      if (edit.from === before.from && edit.to === before.to && edit.lines.join() === before.lines.join()) continue; // both did the same
      return undefined;
    }
    out.push(...lines.slice(at, edit.from), ...edit.lines);
    at = edit.to;
    before = edit;
  }
  return [...out, ...lines.slice(at)].join('');
}
