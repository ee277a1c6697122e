import { useEffect, useState } from 'preact/hooks';
import { about } from '../shell/about';
import { Badge, Clip, Facts, Notice } from '../ui/basic';
import { count, id, plural, size } from '../ui/format';
import { call, consoleService, words } from '../wire/call';
import { onCluster } from '../wire/subscriptions';
import type { Cluster, Member } from '../wire/types';
import { type Asked, MemberDialog } from './MemberDialog';

export function Members() {
  const [shown, setShown] = useState<Cluster | undefined>();
  const [failed, setFailed] = useState('');
  const [asked, setAsked] = useState<Asked | undefined>();
  const again = () => { setFailed(''); call<Cluster>(`${consoleService}/Cluster`).then(setShown, (e) => setFailed(words(e))); };
  useEffect(() => { again(); return onCluster((news) => { setFailed(''); setShown(news); }); }, []);
  if (failed && !shown) return <Notice kind="error" title="The members cannot be seen">{failed} <button type="button" onClick={again}>Try again</button></Notice>;
  if (!shown) return <p class="muted">Loading…</p>;
  const members = shown.members ?? [];
  const leader = members.find((m) => m.leader);
  const voters = shown.voters ?? 0;
  const spare = shown.mayLose ?? 0;
  const root = about.value?.root;
  return (
    <>
      {!leader && <Notice kind="error" title="There is no leader">Nothing can be written until the members have elected one.</Notice>}
      {(shown.alarms ?? []).map((a) => <AlarmNotice key={a.memberId! + a.kind} kind={a.kind ?? ''} of={members.find((m) => m.id === a.memberId)} member={a.memberId!} root={!!root} onAsk={setAsked} />)}
      <Facts of={[
        ['Leader', leader ? leader.name || id(leader.id) : 'none'], ['Term', count(shown.raftTerm)], ['Voters', String(voters)],
        ['May be lost', <span class={spare ? '' : 'warned'}>{spare ? `${plural(spare, 'member')}, and writes go on` : 'none: writes stop with the next that is lost'}</span>], ['Cluster', <span class="mono">{id(shown.clusterId)}</span>],
      ]} />
      <div class="cards">{members.map((m) => <One key={m.id} m={m} asked={m.id === shown.memberId} root={!!root} onAsk={setAsked} voters={voters} />)}</div>
      {root ? <div class="actions"><button type="button" onClick={() => setAsked({ what: 'add' })}>Add a member</button></div> : <p class="muted">Members are changed by users with the role of root.</p>}
      {asked && <MemberDialog asked={asked} cluster={shown} onClose={(changed) => { setAsked(undefined); if (changed) again(); }} />}
    </>
  );
}

function AlarmNotice({ kind, of, member, root, onAsk }: { kind: string; of?: Member; member: string; root: boolean; onAsk: (a: Asked) => void }) {
  const text = kind === 'NOSPACE' ? 'has no room left: the cluster takes no puts, only reads and deletes. Make room, or raise the quota.'
    : kind === 'CORRUPT' ? 'has data that differs from the others’. Look at its log, and replace it if it stays so.' : '';
  return (
    <Notice kind="error" title={`Alarm: ${kind}`}>{of?.name || id(member)} {text}
      {root && kind !== 'CORRUPT' && <button type="button" onClick={() => onAsk({ what: 'disarm', member: { ...of, id: member }, alarm: kind })}>Take the alarm back</button>}
    </Notice>
  );
}

function One({ m, asked, root, voters, onAsk }: { m: Member; asked: boolean; root: boolean; voters: number; onAsk: (a: Asked) => void }) {
  const behind = Number(m.behind ?? 0);
  const quota = Number(m.dbSizeQuota ?? 0);
  const used = Number(m.dbSize ?? 0);
  return (
    <section class="card" aria-label={m.name || id(m.id)}>
      <header class="toolbar">
        <h2 class="clip" tabIndex={0}>{m.name || 'not started yet'}</h2>
        {m.leader && <Badge kind="good">leader</Badge>}{m.learner && <Badge kind="warn">learner</Badge>}{m.unreachable && <Badge kind="bad">not reached</Badge>}{asked && <Badge kind="plain">serves this page</Badge>}
        <span class="grow" />
        {root && (
          <span class="actions">
            {m.learner && <button type="button" onClick={() => onAsk({ what: 'promote', member: m })}>Promote</button>}
            {!m.leader && !m.learner && !m.unreachable && <button type="button" onClick={() => onAsk({ what: 'lead', member: m })}>Have it lead</button>}
            {voters + (m.learner ? 1 : 0) > 1 && <button type="button" onClick={() => onAsk({ what: 'remove', member: m })}>Remove</button>}
          </span>
        )}
      </header>
      {m.unreachable && <Notice kind="warn">{m.unreachable}</Notice>}
      {m.errors?.map((e) => <Notice key={e} kind="error">{e}</Notice>)}
      <Facts of={[
        ['Identity', <span class="mono">{id(m.id)}</span>],
        ...(m.unreachable ? [] : [
          ['Serves', m.version ? `etcd ${m.version}` : 'not known'], ['Revision', count(m.revision)], ['Behind', behind ? <span class={behind > 1000 ? 'bad' : ''}>{plural(behind, 'entry', 'entries')}</span> : 'nothing'],
          ['Data', `${size(used)}${quota ? ` of ${size(quota)}` : ''}`], ['In use', size(m.dbSizeInUse)], ...(m.diskFree ? [['Free on the disk', size(m.diskFree)]] : []),
        ] as [string, string][]),
      ]} />
      {quota > 0 && <progress max={quota} value={used} aria-label="How much of its quota is used" />}
      <dl class="urls"><dt>Clients</dt><dd>{m.clientUrls?.map((u) => <Clip key={u}>{u}</Clip>) ?? <span class="muted">not known</span>}</dd><dt>Peers</dt><dd>{m.peerUrls?.map((u) => <Clip key={u}>{u}</Clip>)}</dd></dl>
    </section>
  );
}
