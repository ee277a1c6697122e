import { useState } from 'preact/hooks';
import { Field, Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { id, plural } from '../ui/format';
import { toast } from '../ui/toast';
import { call, consoleService } from '../wire/call';
import type { Cluster, Member } from '../wire/types';

export type Asked = { what: 'add' } | { what: 'promote' | 'lead' | 'remove'; member: Member } | { what: 'disarm'; member: Member; alarm: string };

interface Props { asked: Asked; cluster: Cluster; onClose: (changed: boolean) => void }

const quorum = (voters: number) => Math.floor(voters / 2) + 1;

/** What a number of voters means for who may be lost; gone of them do not answer. */
function consequence(voters: number, gone: number): string {
  const left = voters - gone - quorum(voters);
  const need = `${plural(voters, 'voter')} then, of which ${quorum(voters)} must answer for anything to be written`;
  return left < 0 ? `${need}: with ${plural(gone, 'member')} away, nothing can be.` : left === 0 ? `${need}: none may be lost.` : `${need}: ${left} may be lost.`;
}

/** Asks before the members are changed, and says what that means. */
export function MemberDialog({ asked, cluster, onClose }: Props) {
  if (asked.what === 'add') return <Add cluster={cluster} onClose={onClose} />;
  const { member: m } = asked;
  const name = m.name || id(m.id);
  const voters = cluster.voters ?? 0;
  const gone = (cluster.members ?? []).filter((o) => !o.learner && o.unreachable && o.id !== m.id).length;
  const run = async (method: string, request: object, told: string) => {
    await call(method, request);
    toast(told);
    onClose(true);
  };
  const close = () => onClose(false);
  switch (asked.what) {
    case 'promote':
      return (
        <Dialog title={`Make ${name} a voter?`} act="Promote" onClose={close} onAct={() => run('etcdserverpb.Cluster/MemberPromote', { ID: m.id }, `${name} is a voter now.`)}>
          <p>There are {consequence(voters + 1, gone)}</p>
          {Number(m.behind ?? 0) > 0 && <Notice kind="warn">It is {plural(m.behind, 'entry', 'entries')} behind the others. Until it has caught up, it is refused.</Notice>}
        </Dialog>
      );
    case 'lead':
      return (
        <Dialog title={`Have ${name} lead?`} act="Move" onClose={close} onAct={() => run(`${consoleService}/MoveLeader`, { targetId: m.id }, `${name} leads now.`)}>
          <p>Writes wait for about a second while leadership moves; what is under way may fail and be tried again by its client. Leases and watches go on.</p>
        </Dialog>
      );
    case 'disarm':
      return (
        <Dialog danger title={`Take the alarm ${asked.alarm} of ${name} back?`} act="Take it back" onClose={close} onAct={() => run('etcdserverpb.Maintenance/Alarm', { action: 'DEACTIVATE', memberID: m.id, alarm: asked.alarm }, 'The alarm is taken back.')}>
          <p>Puts are taken again. If there is still no room, the alarm comes back with one of the next puts.</p>
        </Dialog>
      );
    case 'remove': {
      const after = voters - (m.learner ? 0 : 1);
      return (
        <Dialog danger title={`Remove ${name} from the cluster?`} act="Remove" onClose={close} onAct={() => run('etcdserverpb.Cluster/MemberRemove', { ID: m.id }, `${name} is removed.`)}>
          <p>It stops for good: what it has on its disk cannot be used to join again, and clients that know only its address lose the cluster.</p>
          <Notice kind="warn">{m.learner ? 'It is a learner: the voters stay as they are.' : `There are ${consequence(after, gone)}`}{m.leader ? ' It leads now: another is elected first.' : ''}</Notice>
        </Dialog>
      );
    }
  }
}

function Add({ cluster, onClose }: { cluster: Cluster; onClose: (changed: boolean) => void }) {
  const [urls, setUrls] = useState('');
  const [learner, setLearner] = useState(true);
  const [made, setMade] = useState('');
  const list = urls.split(/[\s,]+/).filter(Boolean);
  const wrong = list.find((u) => !/^https?:\/\/[^\s/]+:\d+$/.test(u));
  const voters = cluster.voters ?? 0;
  const gone = (cluster.members ?? []).filter((o) => !o.learner && o.unreachable).length;
  const run = async () => {
    const answer = await call<{ members?: { name?: string; peerURLs?: string[]; ID?: string }[]; member?: { ID?: string } }>('etcdserverpb.Cluster/MemberAdd', { peerURLs: list, isLearner: learner });
    const named = (answer.members ?? []).flatMap((m) => (m.peerURLs ?? []).map((u) => `${m.ID === answer.member?.ID ? 'NAME' : m.name}=${u}`));
    setMade(`quorate --name NAME --initial-cluster-state existing \\\n  --initial-cluster ${named.join(',')} \\\n  --initial-advertise-peer-urls ${list.join(',')} \\\n  --listen-peer-urls ${list.join(',')} --data-dir ./data`);
  };
  return (
    <Dialog title="Add a member" act={made ? undefined : 'Add'} disabled={!list.length || !!wrong} onAct={run} onClose={() => onClose(!!made)}>
      {made
        ? <><Notice kind="good" title="Added">It waits to be started for the first time, there and so, with a name of its own:</Notice><pre class="boxed" tabIndex={0}>{made}</pre></>
        : (
          <>
            <Field label="Where it will be for the others" error={wrong ? `${wrong} is no address such as http://10.0.0.4:2380.` : ''} hint="Its peer URLs, with a space between them.">
              {(own, hint) => <input id={own} aria-describedby={hint} class="mono full" data-first placeholder="http://10.0.0.4:2380" value={urls} onInput={(e) => setUrls(e.currentTarget.value)} />}
            </Field>
            <label class="check"><input type="checkbox" checked={learner} onChange={(e) => setLearner(e.currentTarget.checked)} /> As a learner, which does not vote until it is promoted</label>
            <Notice kind={learner ? 'info' : 'warn'}>{learner ? 'The voters stay as they are while it catches up.' : `It counts as a voter at once, and does not answer until it is started. There are ${consequence(voters + 1, gone + 1)}`}</Notice>
          </>
        )}
    </Dialog>
  );
}
