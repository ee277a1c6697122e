import { useEffect, useState } from 'preact/hooks';
import { fromBase64 } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { keyParam, link, route } from '../shell/route';
import { Empty, KeyName, Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { count, duration, fromId, id, plural } from '../ui/format';
import { toast } from '../ui/toast';
import { call, consoleService, words } from '../wire/call';
import { onLeases } from '../wire/subscriptions';
import type { Lease, LeasesResponse } from '../wire/types';
import { Left } from './left';

interface Shown extends Lease { at: number }
interface State { leases: Shown[]; more: boolean; total: string }

async function load(was: State | undefined): Promise<State> {
  const answer = await call<LeasesResponse>(`${consoleService}/Leases`, { after: was?.leases.at(-1)?.id ?? '0', limit: '100' });
  const at = Date.now();
  return { leases: [...(was?.leases ?? []), ...(answer.leases ?? []).map((l) => ({ ...l, at }))], more: !!answer.more, total: answer.total ?? '0' };
}

/** The lease that the address names, if it is written as one. */
function wanted(): string | undefined {
  try {
    return fromId(route.value.params.get('lease') ?? '');
  } catch {
    return undefined;
  }
}

export function Leases() {
  const [shown, setShown] = useState<State | undefined>();
  const [failed, setFailed] = useState('');
  const [asked, setAsked] = useState<Lease | undefined>();
  const chosen = wanted();
  const more = async (was: State | undefined) => {
    setFailed('');
    try {
      setShown(await load(was));
    } catch (e) {
      setFailed(words(e));
    }
  };
  useEffect(() => { void more(undefined); }, []);
  // Of the first ones, and the one that is chosen, it is told when they are kept alive or end.
  const followed = [...new Set([chosen, ...(shown?.leases ?? []).map((l) => l.id)])].filter((i) => i !== undefined).slice(0, 32).join();
  useEffect(() => {
    if (!followed) return undefined;
    return onLeases(followed.split(','), (news) => {
      const at = Date.now();
      setShown((was) => {
        if (!was) return was;
        const by = new Map(news.map((l) => [l.id, l]));
        const leases = was.leases.map((l) => { const next = by.get(l.id); return next ? { ...l, ...next, at } : l; });
        const extra = news.filter((l) => l.id === chosen && !leases.some((own) => own.id === l.id)).map((l) => ({ ...l, at }));
        return { ...was, leases: [...extra, ...leases] };
      });
    });
  }, [followed, chosen]);
  if (failed) return <Notice kind="error" title="The leases cannot be listed">{failed} <button type="button" onClick={() => void more(undefined)}>Try again</button></Notice>;
  if (!shown) return <p class="muted">Loading…</p>;
  if (!shown.leases.length) return <Empty title="There are no leases"><p>A lease has keys live for as long as its owner says that it is there. Save a key “for a time” to make one, or type:</p><pre>etcdctl lease grant 60</pre></Empty>;
  return (
    <>
      <p class="muted">{plural(shown.total, 'lease')} <button type="button" onClick={() => void more(undefined)}>Read again</button></p>
      <div class="table stacks">
        <table>
          <thead><tr><th>Lease</th><th class="num">Granted</th><th class="num">Left</th><th>Keys</th><th><span class="sr">What to do</span></th></tr></thead>
          <tbody>
            {shown.leases.map((l) => (
              <tr key={l.id} class={l.id === chosen ? 'chosen' : ''}>
                <td class="mono nowrap">{id(l.id)}</td><td class="num">{duration(Number(l.grantedTtl ?? 0))}</td>
                <td class="num"><Left ttl={Number(l.ttl ?? 0)} at={l.at} granted={Number(l.grantedTtl ?? 0)} /></td>
                <td class="wide">{l.keys?.length ? l.keys.map((k) => <KeyName key={k} name={fromBase64(k)} href={link('keys', { key: keyParam(fromBase64(k)) })} />) : <span class="muted">none</span>}
                  {Number(l.keysTotal ?? 0) > (l.keys?.length ?? 0) && <span class="muted">and {count(Number(l.keysTotal) - (l.keys?.length ?? 0))} more</span>}</td>
                <td><button type="button" disabled={!(Number(l.ttl) >= 0)} onClick={() => setAsked(l)}>Revoke</button></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.more && <p><button type="button" onClick={() => void more(shown)}>More leases</button></p>}
      {asked && <RevokeDialog lease={asked.id!} keys={(asked.keys ?? []).map(fromBase64)} total={Number(asked.keysTotal ?? 0)} onClose={() => setAsked(undefined)} onDone={() => { setAsked(undefined); void more(undefined); }} />}
    </>
  );
}

/** Asks before a lease is ended, and names what goes with it. */
export function RevokeDialog({ lease, keys, total, holder, onClose, onDone }: { lease: string; keys: string[]; total: number; holder?: string; onClose: () => void; onDone: () => void }) {
  return (
    <Dialog danger title={holder ? `Take ${holder} from its holder?` : 'End this lease?'} act={holder ? 'Take it' : 'Revoke'} onClose={onClose} onAct={async () => {
      await call('etcdserverpb.Lease/LeaseRevoke', { ID: lease });
      toast('The lease has ended.');
      onDone();
    }}>
      <p>The lease <span class="mono">{id(lease)}</span> ends at once, and with it {total ? `${plural(total, 'key')} that ${total === 1 ? 'is' : 'are'} attached to it` : 'nothing: no key is attached to it'}.</p>
      {keys.length > 0 && <ul class="bare mono break">{keys.slice(0, 10).map((k) => <li key={k}>{escape(k)}</li>)}{total > Math.min(keys.length, 10) && <li class="muted">and {count(total - Math.min(keys.length, 10))} more</li>}</ul>}
      <Notice kind="warn">{holder ? 'Whoever holds it is not asked, and may go on for a while as if it still did. The next in the line has it then.' : 'Whoever keeps it alive is told that it is gone. Deleted keys can be put back from their history, without the lease.'}</Notice>
    </Dialog>
  );
}
