import { useEffect, useState } from 'preact/hooks';
import { type Bytes, fromBase64, toBase64 } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { go, keyParam, link, paramKey } from '../shell/route';
import { Badge, Clip, Empty, KeyName, Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { count, id, nanoTime, plural } from '../ui/format';
import { KeyForm } from '../ui/KeyForm';
import { toast } from '../ui/toast';
import { call, consoleService, words } from '../wire/call';
import type { Lock, LocksResponse, Turn, TxnResponse } from '../wire/types';
import { RevokeDialog } from './Leases';
import { Left } from './left';

interface State { locks: Lock[]; more: boolean; next: string; at: number }

async function load(prefix: Bytes, was: State | undefined): Promise<State> {
  const answer = await call<LocksResponse>(`${consoleService}/Locks`, { prefix: toBase64(prefix), after: was?.next ?? '' });
  return { locks: [...(was?.locks ?? []), ...(answer.locks ?? [])], more: !!answer.more, next: answer.nextAfter ?? '', at: Date.now() };
}

export function Locks() {
  const prefix = paramKey('prefix') ?? '';
  const [shown, setShown] = useState<State | undefined>();
  const [failed, setFailed] = useState('');
  const [asked, setAsked] = useState<{ lock: Lock; turn: Turn } | undefined>();
  const more = async (was: State | undefined) => {
    setFailed('');
    try {
      setShown(await load(prefix, was));
    } catch (e) {
      setFailed(words(e));
    }
  };
  useEffect(() => { void more(undefined); }, [prefix]);
  const form = <KeyForm label="Names that begin with" value={prefix} act="Look" placeholder="/locks/   (empty for all)" onKey={(p) => (p === prefix ? void more(undefined) : go('leases', { tab: 'locks', prefix: keyParam(p) }))} />;
  const again = <button type="button" onClick={() => void more(undefined)}>Read again</button>;
  const done = () => { setAsked(undefined); void more(undefined); };
  return (
    <>
      {form}
      {failed ? <Notice kind="error" title="Locks cannot be listed">{failed}{!prefix && ' With a prefix that you may read, they can be.'} <button type="button" onClick={() => void more(undefined)}>Try again</button></Notice>
        : !shown ? <p class="muted">Loading…</p>
          : !shown.locks.length && !shown.more ? <Empty title="Nobody holds or waits for anything"><p>Locks and elections of etcd's clients appear here while they are held{prefix ? '' : '; what has no lease, among the first 50,000 keys, or below a prefix'}. To take a lock in a terminal, type:</p><pre>etcdctl lock /locks/migrate</pre>{again}</Empty>
            : (
              <>
                <p class="muted">{plural(shown.locks.length, 'name')}{shown.more ? ', and more' : ''} {again}</p>
                <div class="cards">{shown.locks.map((lock) => <One key={lock.name} lock={lock} at={shown.at} onTake={(turn) => setAsked({ lock, turn })} />)}</div>
                {shown.more && <p><button type="button" onClick={() => void more(shown)}>More</button></p>}
              </>
            )}
      {asked && !asked.turn.lease && <DeleteDialog {...asked} onClose={() => setAsked(undefined)} onDone={done} />}
      {asked?.turn.lease && <RevokeDialog lease={asked.turn.lease} keys={[fromBase64(asked.turn.key)]} total={1} holder={escape(fromBase64(asked.lock.name))} onClose={() => setAsked(undefined)} onDone={done} />}
    </>
  );
}

/** Asks before the key is deleted that holds a lock without a lease. */
function DeleteDialog({ lock, turn, onClose, onDone }: { lock: Lock; turn: Turn; onClose: () => void; onDone: () => void }) {
  return (
    <Dialog danger title={`Delete the key that holds ${escape(fromBase64(lock.name))}?`} act="Delete it" onClose={onClose} onAct={async () => {
      const compare = [{ key: turn.key, target: 'CREATE', result: 'EQUAL', createRevision: turn.createRevision }];
      const answer = await call<TxnResponse>('etcdserverpb.KV/Txn', { compare, success: [{ requestDeleteRange: { key: turn.key } }] });
      toast(answer.succeeded ? 'The key is deleted.' : 'The key was not there any more.');
      onDone();
    }}>
      <p class="mono break">{escape(fromBase64(turn.key))}</p>
      <Notice kind="warn">It has no lease, as a key that was put back has none: nobody's going ends it, and whoever wants this lock waits until it is deleted. The next in the line has it then.</Notice>
    </Dialog>
  );
}

function One({ lock, at, onTake }: { lock: Lock; at: number; onTake: (turn: Turn) => void }) {
  const turns = lock.turns ?? [];
  const holder = turns[0];
  const name = fromBase64(lock.name);
  return (
    <section class="card" aria-label={escape(name)}>
      <header class="toolbar"><h2 class="grow"><KeyName name={name} href={link('keys', { folder: keyParam(name + '/') })} /></h2><Badge kind="plain">{lock.election ? 'election' : 'lock'}</Badge>
        {holder && <button type="button" onClick={() => onTake(holder)}>{holder.lease ? 'Take from its holder' : 'Delete its key'}</button>}</header>
      <div class="table stacks">
        <table>
          <thead><tr><th>Turn</th><th>Who</th><th>Since</th><th class="num">Time left</th></tr></thead>
          <tbody>
            {turns.map((turn, i) => (
              <tr key={turn.key}>
                <td>{i === 0 ? <Badge kind="good">{lock.election ? 'leads' : 'holds'}</Badge> : <span class="nowrap">{turn.lease ? 'waits' : 'in the line'}, no. {i}</span>}</td>
                <td class="wide"><Clip href={link('keys', { key: keyParam(fromBase64(turn.key)) })} title={escape(fromBase64(turn.key))}>{escape(fromBase64(turn.value)) || (turn.lease ? `lease ${id(turn.lease)}` : escape(fromBase64(turn.key)))}</Clip></td>
                <td class="nowrap">{nanoTime(turn.sinceUnixNano)}</td>
                <td class="num">{turn.ttl && turn.ttl !== '0' ? <Left ttl={Number(turn.ttl)} at={at} /> : turn.lease ? '' : 'no lease'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {holder && !holder.lease && <p class="muted">Its holder has no lease: it holds until its key is deleted.</p>}
      {Number(lock.turnsTotal ?? 0) > turns.length && <p class="muted">and {count(Number(lock.turnsTotal) - turns.length)} more wait</p>}
    </section>
  );
}
