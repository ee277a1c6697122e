import { useState } from 'preact/hooks';
import { unescape } from '../bytes/escape';
import { Empty, Field, Notice, Segments } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { useLoad } from '../ui/load';
import { toast } from '../ui/toast';
import { call, words } from '../wire/call';
import { rangeOf, rangeWords } from './range';
import { accessWords } from './RightsForm';
import { each } from './Users';

interface Perm { permType?: 'READ' | 'WRITE' | 'READWRITE'; key?: string; rangeEnd?: string }
interface Role { name: string; perms: Perm[] }
type Asked = { what: 'add' } | { what: 'delete' | 'grant'; role: Role } | { what: 'revoke'; role: Role; perm: Perm };

const service = 'etcdserverpb.Auth';
const access = (p: Perm) => accessWords({ read: p.permType !== 'WRITE', write: !!p.permType && p.permType !== 'READ' });

async function load(signal: AbortSignal): Promise<Role[]> {
  const { roles } = await call<{ roles?: string[] }>(`${service}/RoleList`, {}, signal);
  return each(roles ?? [], async (role) => ({ name: role, perms: (await call<{ perm?: Perm[] }>(`${service}/RoleGet`, { role }, signal)).perm ?? [] }));
}

export function Roles() {
  const { value, failed, again } = useLoad(load, []);
  const [asked, setAsked] = useState<Asked | undefined>();
  if (failed) return <Notice kind="error" title="The roles cannot be listed">{words(failed)} <button type="button" onClick={again}>Try again</button></Notice>;
  if (!value) return <p class="muted">Loading…</p>;
  const closed = (text?: string) => { setAsked(undefined); if (text) { toast(text); again(); } };
  return (
    <>
      <div class="actions"><button type="button" class="primary" onClick={() => setAsked({ what: 'add' })}>Add a role</button></div>
      {!value.length && <Empty title="There are no roles yet"><p>A role says which keys may be read and written, and users have roles. The one called root may do everything.</p></Empty>}
      <div class="cards">{value.map((role) => (
        <section key={role.name} class="card" aria-label={role.name}>
          <header class="toolbar"><h2 class="grow break">{role.name}</h2>{role.name !== 'root' && <button type="button" onClick={() => setAsked({ what: 'grant', role })}>Permit more</button>}<button type="button" onClick={() => setAsked({ what: 'delete', role })}>Delete</button></header>
          {role.name === 'root' ? <p class="muted">may do everything</p> : !role.perms.length ? <p class="muted">permits nothing yet</p> : (
            <div class="table"><table>
              <thead><tr><th>May</th><th>Keys</th><th><span class="sr">What to do</span></th></tr></thead>
              <tbody>{role.perms.map((p, i) => <tr key={i}><td class="nowrap">{access(p)}</td><td class="wide mono"><span class="clip" tabIndex={0}>{rangeWords(p.key, p.rangeEnd)}</span></td><td><button type="button" onClick={() => setAsked({ what: 'revoke', role, perm: p })}>Revoke</button></td></tr>)}</tbody>
            </table></div>
          )}
        </section>
      ))}</div>
      {asked?.what === 'add' && <Add onClose={closed} />}
      {asked?.what === 'grant' && <Grant role={asked.role} onClose={closed} />}
      {asked?.what === 'revoke' && (
        <Dialog danger title="Take this permission back?" act="Revoke" onClose={() => closed()} onAct={async () => { await call(`${service}/RoleRevokePermission`, { role: asked.role.name, key: asked.perm.key, rangeEnd: asked.perm.rangeEnd }); closed('Revoked.'); }}>
          <p>The role {asked.role.name} {access(asked.perm)} <span class="mono break">{rangeWords(asked.perm.key, asked.perm.rangeEnd)}</span> no longer: users who have that by no other role are refused from the next request on.</p>
        </Dialog>
      )}
      {asked?.what === 'delete' && (
        <Dialog danger title={`Delete the role ${asked.role.name}?`} act="Delete" onClose={() => closed()} onAct={async () => { await call(`${service}/RoleDelete`, { role: asked.role.name }); closed('Deleted.'); }}>
          <p>All users who have it lose what it permits.</p>
        </Dialog>
      )}
    </>
  );
}

function Add({ onClose }: { onClose: (text?: string) => void }) {
  const [name, setName] = useState('');
  return (
    <Dialog title="Add a role" act="Add" disabled={!name} onClose={() => onClose()} onAct={async () => { await call(`${service}/RoleAdd`, { name }); onClose(`${name} is added: permit it something next.`); }}>
      <Field label="Name">{(own) => <input id={own} data-first autocomplete="off" value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
    </Dialog>
  );
}

function Grant({ role, onClose }: { role: Role; onClose: (text?: string) => void }) {
  const [text, setText] = useState('');
  const [by, setBy] = useState<'prefix' | 'key'>('prefix');
  const [type, setType] = useState<'READ' | 'WRITE' | 'READWRITE'>('READ');
  let wrong = '';
  try {
    unescape(text);
  } catch (e) {
    wrong = (e as Error).message;
  }
  return (
    <Dialog title={`Permit more to ${role.name}`} act="Grant" disabled={!!wrong || (by === 'key' && !text)} onClose={() => onClose()} onAct={async () => {
      await call(`${service}/RoleGrantPermission`, { name: role.name, perm: { permType: type, ...rangeOf(unescape(text), by === 'prefix') } });
      onClose('Granted.');
    }}>
      <Segments label="May" value={type} options={[['READ', 'Read'], ['WRITE', 'Write'], ['READWRITE', 'Read and write']]} onChange={setType} />
      <Segments label="Of" value={by} options={[['prefix', 'Prefix'], ['key', 'One key']]} onChange={setBy} />
      <Field label={by === 'prefix' ? 'Keys that begin with' : 'Key'} error={wrong} hint={by === 'prefix' ? 'Empty for all keys.' : undefined}>{(own, hint) => <input id={own} aria-describedby={hint} class="mono full" data-first value={text} onInput={(e) => setText(e.currentTarget.value)} />}</Field>
      {by === 'prefix' && !text && <Notice kind="warn">This is of all keys of the store.</Notice>}
    </Dialog>
  );
}
