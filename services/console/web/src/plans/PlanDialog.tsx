import { useEffect, useRef, useState } from 'preact/hooks';
import { fromBase64 } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { Badge, Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { Diff } from '../ui/Diff';
import { count, id, plural, size } from '../ui/format';
import { useLoad } from '../ui/load';
import { VirtualList } from '../ui/VirtualList';
import { words } from '../wire/call';
import type { Plan } from '../wire/types';
import { apply, begin, leaseOf, type Outcome, preview, type Preview, total, valuesOf } from './run';

const signs = { KIND_CREATE: '+', KIND_UPDATE: '~', KIND_DELETE: '−' } as const;
const verbs = { KIND_CREATE: 'make', KIND_UPDATE: 'change', KIND_DELETE: 'delete' } as const;
const done = { KIND_CREATE: 'made', KIND_UPDATE: 'changed', KIND_DELETE: 'deleted' } as const;

interface Props { title: string; act: string; plans: Plan[]; danger?: boolean; onClose: (changed: boolean) => void }

/** Shows what plans would do at one revision, and does it when asked: each key only if it is still what was shown. */
export function PlanDialog({ title, act, plans, danger, onClose }: Props) {
  const [shown, setShown] = useState<Preview | undefined>();
  const [ready, setReady] = useState(false);
  const [failed, setFailed] = useState('');
  const [chosen, setChosen] = useState(-1);
  const [outcome, setOutcome] = useState<Outcome | undefined>();
  const [round, setRound] = useState(0);
  const ending = useRef(new AbortController());
  useEffect(() => {
    const own = new AbortController();
    ending.current = own;
    setReady(false);
    setFailed('');
    setOutcome(undefined);
    setChosen(-1);
    preview(plans, own.signal, setShown).then((p) => { setShown(p); setReady(true); }, (e) => { if (!own.signal.aborted) setFailed(words(e)); });
    return () => own.abort();
  }, [round]);

  const close = () => onClose(!!outcome?.applied);
  const run = async () => {
    if (outcome?.done) return close();
    await apply(shown!, outcome ?? begin(), ending.current.signal, setOutcome);
  };
  const nothing = ready && shown && !total(shown);
  const only = ready && shown && total(shown) === 1 ? shown.changes[0]!.change : undefined;
  return (
    <Dialog wide danger={danger} over={outcome?.done} title={title} onClose={close} onAct={run} disabled={!ready || !!nothing}
      act={nothing ? undefined : outcome?.done ? 'Done' : outcome ? 'Go on' : ready && !only ? `${act} (${count(total(shown!))})` : act}
      more={outcome?.conflicts.length || failed ? <button type="button" onClick={() => setRound(round + 1)}>Preview again</button> : undefined}>
      {failed && <Notice kind="error" title="This cannot be previewed">{failed}</Notice>}
      {!failed && !ready && <p role="status">Looking: {plural(shown?.lookedAt ?? 0, 'key')} so far…</p>}
      {nothing && <Notice kind="good" title="Nothing would change">Everything is already as it would be.</Notice>}
      {shown && !nothing && !outcome && (only
        ? <p><code class="break">{escape(fromBase64(only.key))}</code> is {done[only.kind!]}, if it is still what is shown here, as at revision {shown.revision}.</p>
        : <Summary of={shown} ready={ready} />)}
      {shown && !outcome && <LeasesToo of={shown} />}
      {outcome && <Progress of={outcome} wanted={total(shown!)} />}
      {only && !outcome && <OneChange of={shown!} at={0} />}
      {shown && !nothing && !only && !outcome && (
        <div class="plan">
          <VirtualList class="changes" role="list" aria-label="What would change" tabIndex={0} size={shown.changes.length} rowHeight={28} lines={(from, to) => shown.changes.slice(from, to).map(({ change }, i) => (
            <div role="listitem" key={from + i}><button type="button" class={`change ${change.kind}${chosen === from + i ? ' chosen' : ''}`} onClick={() => setChosen(from + i)}>
              <span class="sign" title={verbs[change.kind!]}>{signs[change.kind!]}</span><span class="sr">{verbs[change.kind!]} </span>
              <span class="clip mono">{escape(fromBase64(change.key))}</span><span class="muted nowrap">{change.kind === 'KIND_CREATE' ? size(change.bytesAfter) : change.kind === 'KIND_DELETE' ? size(change.bytesBefore) : `${size(change.bytesBefore)} → ${size(change.bytesAfter)}`}</span>
              {leaseOf(change.leaseBefore) !== leaseOf(change.leaseAfter) && <Badge>lease</Badge>}
            </button></div>
          ))} />
          {chosen >= 0 ? <OneChange key={chosen} of={shown} at={chosen} /> : <p class="muted pad">Choose a key to see what it would be.</p>}
        </div>
      )}
    </Dialog>
  );
}

function Summary({ of, ready }: { of: Preview; ready: boolean }) {
  return (
    <>
      <p><strong>{count(of.creates)}</strong> to make, <strong>{count(of.updates)}</strong> to change, <strong>{count(of.deletes)}</strong> to delete{ready ? '' : ' so far'}, as at revision {of.revision}. Each is changed only if it is still what is shown here.</p>
      {ready && total(of) > of.changes.length && <p class="muted">The first {count(of.changes.length)} are listed.</p>}
    </>
  );
}

function LeasesToo({ of }: { of: Preview }) {
  if (!of.attached && !of.detached) return null;
  return (
    <Notice kind="warn" title="Leases of keys change, too">
      {of.attached > 0 && <p>{plural(of.attached, 'key')} will be attached to {of.attached === 1 ? 'a lease that it is' : 'leases that they are'} not attached to now, and {of.attached === 1 ? 'goes' : 'go'} when that ends.</p>}
      {of.detached > 0 && <p>{plural(of.detached, 'key')} will be without a lease, and {of.detached === 1 ? 'stays' : 'stay'}{of.leasesGone > 0 && `: of ${count(of.leasesGone)} the lease has ended`}.</p>}
      <p>Leases themselves stay: none is made or revoked, and their time goes on.</p>
    </Notice>
  );
}

function Progress({ of, wanted }: { of: Outcome; wanted: number }) {
  return (
    <div role="status">
      <progress max={Math.max(1, wanted)} value={of.done ? Math.max(1, wanted) : of.applied + of.conflicts.length} aria-label="How far it has got" />
      <p>{count(of.applied)} of {count(wanted)} changed{of.done ? '.' : '…'}</p>
      {of.failed && <Notice kind="error" title="It went no further">{of.failed}. What was changed until then stays. Go on, or preview again.</Notice>}
      {of.conflicts.length > 0 && (
        <Notice kind="warn" title={`${plural(of.conflicts.length, 'key')} had changed meanwhile and ${of.conflicts.length === 1 ? 'was' : 'were'} left alone`}>
          <ul class="bare">{of.conflicts.slice(0, 20).map((key) => <li key={key} class="mono break">{escape(key)}</li>)}</ul>
          {of.conflicts.length > 20 && `and ${of.conflicts.length - 20} more. `}Preview again to see what is left to do.
        </Notice>
      )}
    </div>
  );
}

function OneChange({ of, at }: { of: Preview; at: number }) {
  const { value, failed } = useLoad((signal) => valuesOf(of, at, signal), [at]);
  if (failed) return <Notice kind="error">{words(failed)}</Notice>;
  if (!value) return <p class="muted pad">Loading…</p>;
  const { leaseBefore, leaseAfter, leaseGone } = of.changes[at]!.change;
  const named = (lease: string | undefined) => (leaseOf(lease) ? id(lease) : 'none');
  return (
    <div class="value">
      {(named(leaseBefore) !== named(leaseAfter) || leaseGone) && <p>Lease: <span class="mono">{named(leaseBefore)}</span> → <span class="mono">{named(leaseAfter)}</span>{leaseGone && ', as the one it had then has ended'}</p>}
      {value.leftOut ? <p class="muted pad">The values are too large to be shown here.</p> : <Diff before={value.before} after={value.after} />}
    </div>
  );
}
