import { words } from '../wire/call';
import { type Followed, isStale } from '../wire/follow';

/** A quiet line where what is shown at a revision is, or may be, old, with a button to read again; nothing where it is not. */
export function Stale({ of, revision, failed, onRead }: { of: Followed; revision: string | undefined; failed?: unknown; onRead: () => void }) {
  const text = failed ? `It could not be read again: ${words(failed)}` : of.ended ? `Changes are not followed: ${of.ended}.` : isStale(of, revision) ? `Changed since, at revision ${of.changed}.` : '';
  return <p class="stale" role="status">{text && <>{text} <button type="button" class="link" onClick={onRead}>Read again</button></>}</p>;
}
