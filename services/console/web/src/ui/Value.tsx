import { useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { type View, viewOf, viewsOf } from '../bytes/views';
import { Segments } from './basic';
import { size } from './format';

/** So much is shown at first: browsers become slow with more. */
const first = 64 << 10;

/** A value in one of its views. */
export function Value({ value, view, onView }: { value: Bytes; view?: View['id']; onView: (id: View['id']) => void }) {
  const [all, setAll] = useState(false);
  const views = viewsOf(value);
  const shown = viewOf(value, view);
  const cut = !all && value.length > first;
  const text = cut ? shown.show(value).slice(0, first) : shown.show(value);
  return (
    <div class="value">
      <Segments label="View" value={shown.id} options={views.map((v) => [v.id, v.label])} onChange={onView} />
      {value ? <pre tabIndex={0} aria-label="Value">{text}</pre> : <p class="muted">The value is empty.</p>}
      {cut && <p>The first {size(first)} of {size(value.length)} are shown. <button type="button" onClick={() => setAll(true)}>Show all</button></p>}
    </div>
  );
}
