import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { PutBackDialog } from '../plans/PutBackDialog';
import { keyParam, link } from '../shell/route';
import { Empty, KeyName, Notice } from '../ui/basic';
import { count, nanoTime } from '../ui/format';
import { toast } from '../ui/toast';
import { allBackTo, before, type ChangedAt, keysOf, useChanges, whatOf } from './below';

/** What happened below a prefix, by revision, the last first. none is shown where there is nothing. */
export function Changes({ prefix, head, none }: { prefix: Bytes; head?: ComponentChildren; none?: ComponentChildren }) {
  const { shown, failed, further, again } = useChanges(prefix);
  const [asked, setAsked] = useState<string | undefined>();
  if (failed && none) return <>{none}</>; // who may read the key alone is told of the key
  if (failed) return <Notice kind="error" title="What has changed cannot be read">{failed} <button type="button" onClick={again}>Try again</button></Notice>;
  if (!shown) return <p class="muted">Loading…</p>;
  const compacted = shown.compacted !== '0' && <p class="muted">What revision {shown.compacted} has changed, and all before, is compacted.</p>;
  if (!shown.changes.length && !shown.more) {
    return <>{none ?? <Empty title="Nothing has changed here"><p>No key {prefix ? 'below this prefix ' : ''}was made, changed or deleted since the last compaction.</p>{compacted}</Empty>}</>;
  }
  return (
    <div class="stack">
      {head}
      <div class="table stacks">
        <table>
          <thead><tr><th>Keys</th><th class="num">Revision</th><th>When</th><th>What</th><th><span class="sr">What to do</span></th></tr></thead>
          <tbody>
            {shown.changes.map((c) => (
              <tr key={c.revision}>
                <td class="wide"><Named of={c} /></td><td class="num mono">{c.revision}</td><td class="nowrap">{nanoTime(c.time)}</td><td class="nowrap">{whatOf(c)}</td>
                <td><div class="actions"><button type="button" title={prefix ? 'All keys of the prefix as they were before this' : 'All keys of the store as they were before this'} onClick={() => setAsked(before(c.revision))}>{allBackTo(prefix, before(c.revision))}</button></div></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.more ? <p><button type="button" onClick={further}>Look further back</button></p> : compacted}
      {asked && <PutBackDialog of={prefix} prefix to={asked} onClose={(changed) => { setAsked(undefined); if (changed) { toast('Put back.'); again(); } }} />}
    </div>
  );
}

function Named({ of }: { of: ChangedAt }) {
  const more = keysOf(of) - of.keys.length;
  return <ul class="bare">{of.keys.map((key) => <li key={key}><KeyName name={key} href={link('history', { key: keyParam(key) })} /></li>)}{more > 0 && <li class="muted">and {count(more)} more</li>}</ul>;
}
