import { useState } from 'preact/hooks';
import { go } from '../shell/route';
import { Empty, Field, Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { useLoad } from '../ui/load';
import { toast } from '../ui/toast';
import { call, words } from '../wire/call';

interface User { name: string; roles: string[] }
type Asked = { what: 'add' } | { what: 'delete' | 'password' | 'roles'; user: User };

const service = 'etcdserverpb.Auth';
const parallel = 16;

/** Asks for something of each, some at a time. */
export async function each<T, R>(all: T[], ask: (one: T) => Promise<R>): Promise<R[]> {
  const out: R[] = [];
  for (let i = 0; i < all.length; i += parallel) out.push(...(await Promise.all(all.slice(i, i + parallel).map(ask))));
  return out;
}

async function load(signal: AbortSignal): Promise<{ users: User[]; roles: string[] }> {
  const [users, roles] = await Promise.all([call<{ users?: string[] }>(`${service}/UserList`, {}, signal), call<{ roles?: string[] }>(`${service}/RoleList`, {}, signal)]);
  const all = await each(users.users ?? [], async (name) => ({ name, roles: (await call<{ roles?: string[] }>(`${service}/UserGet`, { name }, signal)).roles ?? [] }));
  return { users: all, roles: roles.roles ?? [] };
}

export function Users() {
  const { value, failed, again } = useLoad(load, []);
  const [asked, setAsked] = useState<Asked | undefined>();
  if (failed) return <Notice kind="error" title="The users cannot be listed">{words(failed)} <button type="button" onClick={again}>Try again</button></Notice>;
  if (!value) return <p class="muted">Loading…</p>;
  const closed = (text?: string) => { setAsked(undefined); if (text) { toast(text); again(); } };
  return (
    <>
      <div class="actions"><button type="button" class="primary" onClick={() => setAsked({ what: 'add' })}>Add a user</button></div>
      {!value.users.length ? <Empty title="There are no users yet"><p>The first one to make is called root, with a role of that name; then your own.</p></Empty> : (
        <div class="table stacks">
          <table>
            <thead><tr><th>User</th><th>Roles</th><th><span class="sr">What to do</span></th></tr></thead>
            <tbody>{value.users.map((user) => (
              <tr key={user.name}><td class="break">{user.name}</td><td class="break">{user.roles.join(', ') || <span class="muted">none</span>}</td>
                <td><div class="actions">
                  <button type="button" onClick={() => setAsked({ what: 'roles', user })}>Roles</button><button type="button" onClick={() => setAsked({ what: 'password', user })}>Password</button>
                  <button type="button" onClick={() => setAsked({ what: 'delete', user })}>Delete</button>
                </div></td></tr>
            ))}</tbody>
          </table>
        </div>
      )}
      {asked?.what === 'add' && <Add onClose={closed} />}
      {asked?.what === 'roles' && <RolesOf user={asked.user} all={value.roles} onClose={closed} />}
      {asked?.what === 'password' && <Password user={asked.user} onClose={closed} />}
      {asked?.what === 'delete' && (
        <Dialog danger title={`Delete the user ${asked.user.name}?`} act="Delete" onClose={() => closed()} onAct={async () => { await call(`${service}/UserDelete`, { name: asked.user.name }); closed('Deleted.'); }}>
          <p>Whoever uses it is refused from the next request on, and its watches end.</p>
        </Dialog>
      )}
    </>
  );
}

function Add({ onClose }: { onClose: (text?: string) => void }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  return (
    <Dialog title="Add a user" act="Add" disabled={!name} onClose={() => onClose()} onAct={async () => { await call(`${service}/UserAdd`, { name, password, options: password ? undefined : { noPassword: true } }); onClose(`${name} is added: grant it a role next.`); }}>
      <Field label="Name">{(own) => <input id={own} data-first autocomplete="off" value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
      <Field label="Password" hint="Empty for a user who is known by a certificate alone.">{(own, hint) => <input id={own} aria-describedby={hint} type="password" autocomplete="new-password" value={password} onInput={(e) => setPassword(e.currentTarget.value)} />}</Field>
    </Dialog>
  );
}

function Password({ user, onClose }: { user: User; onClose: (text?: string) => void }) {
  const [password, setPassword] = useState('');
  return (
    <Dialog title={`A new password for ${user.name}`} act="Change" disabled={!password} onClose={() => onClose()} onAct={async () => { await call(`${service}/UserChangePassword`, { name: user.name, password }); onClose('Changed.'); }}>
      <Field label="New password" hint="Its tokens end: it has to log in again.">{(own, hint) => <input id={own} aria-describedby={hint} data-first type="password" autocomplete="new-password" value={password} onInput={(e) => setPassword(e.currentTarget.value)} />}</Field>
    </Dialog>
  );
}

function RolesOf({ user, all, onClose }: { user: User; all: string[]; onClose: (text?: string) => void }) {
  const [has, setHas] = useState(new Set(user.roles));
  const changed = all.filter((role) => has.has(role) !== user.roles.includes(role));
  return (
    <Dialog title={`Roles of ${user.name}`} act={all.length ? 'Change' : undefined} disabled={!changed.length} onClose={() => onClose()} onAct={async () => {
      for (const role of changed) {
        if (has.has(role)) await call(`${service}/UserGrantRole`, { user: user.name, role });
        else await call(`${service}/UserRevokeRole`, { name: user.name, role });
      }
      onClose('Changed.');
    }}>
      {all.length ? all.map((role) => <label key={role} class="check"><input type="checkbox" checked={has.has(role)} onChange={(e) => { const next = new Set(has); if (e.currentTarget.checked) next.add(role); else next.delete(role); setHas(next); }} /> {role}</label>)
        : <p>There are no roles yet. <button type="button" onClick={() => { onClose(); go('access', { tab: 'roles' }); }}>Make one</button></p>}
      {has.has('root') && !user.roles.includes('root') && <Notice kind="warn">The role of root may do everything, and change the members and users.</Notice>}
    </Dialog>
  );
}
