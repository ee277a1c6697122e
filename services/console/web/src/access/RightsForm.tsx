import { useEffect, useState } from 'preact/hooks';
import { type Bytes } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { about } from '../shell/about';
import { Badge, Empty, Facts, Field, Notice, Segments } from '../ui/basic';
import { KeyForm } from '../ui/KeyForm';
import { call, consoleService, words } from '../wire/call';
import type { Permission, Rights } from '../wire/types';
import { rangeOf, rangeWords } from './range';

const yes = (may: boolean | undefined, what: string) => <Badge kind={may ? 'good' : 'bad'}>{may ? `may ${what}` : `may not ${what}`}</Badge>;
export const accessWords = (p: { read?: boolean; write?: boolean }): string => (p.read && p.write ? 'reads and writes' : p.write ? 'writes' : 'reads');

/** Answers what a user may do, all in all and with one key or prefix. */
export function RightsForm() {
  const me = about.value!;
  const [user, setUser] = useState(me.user ?? '');
  const [asked, setAsked] = useState<{ user: string; key?: Bytes; prefix: boolean }>({ user: me.user ?? '', prefix: true });
  const [by, setBy] = useState<'prefix' | 'key'>('prefix');
  const [shown, setShown] = useState<Rights | undefined>();
  const [failed, setFailed] = useState('');
  useEffect(() => {
    let over = false;
    setFailed('');
    const range = asked.key === undefined ? {} : rangeOf(asked.key, asked.prefix);
    call<Rights>(`${consoleService}/Rights`, { user: asked.user === me.user ? '' : asked.user, ...range }).then((r) => { if (!over) setShown(r); }, (e) => { if (!over) { setShown(undefined); setFailed(words(e)); } });
    return () => { over = true; };
  }, [asked]);
  const who = asked.user || 'everybody';
  return (
    <>
      {me.user && <Facts of={[['You are', me.user], ['Shown by', me.proof ?? ''], ['Your roles', me.roles?.join(', ') || 'none']]} />}
      <section class="card" aria-label="What may this user do here?">
        <h2>What may this user do here?</h2>
        {me.authEnabled && <Field label="User" hint={me.root ? 'Empty for you.' : 'Only users with the role of root may ask about others.'}>{(own, hint) => <input id={own} aria-describedby={hint} disabled={!me.root} value={user} onInput={(e) => setUser(e.currentTarget.value.trim())} />}</Field>}
        <KeyForm label="Key or prefix" value={undefined} act="Ask" placeholder="/config/   (empty for all keys)" onKey={(key) => setAsked({ user: user || me.user || '', key, prefix: by === 'prefix' || !key })}>
          <Segments label="Of" value={by} options={[['prefix', 'Prefix'], ['key', 'One key']]} onChange={setBy} />
        </KeyForm>
        {failed && <Notice kind="error">{failed}</Notice>}
        {shown && asked.key !== undefined && <p role="status" class="answer">{who} {yes(shown.mayRead, 'read')} {yes(shown.mayWrite, 'write')} <span class="mono break">{asked.key ? escape(asked.key) + (asked.prefix ? '…' : '') : 'all keys'}</span></p>}
      </section>
      {shown && shown.authEnabled && (
        <section class="stack" aria-label="Permissions">
          <h2>What {who} may do in all</h2>
          {shown.root ? <Notice>{who} has the role of root: everything.</Notice> : <Permissions of={shown.permissions ?? []} none={`${who} has no role that permits anything${shown.roles?.length ? ` (roles: ${shown.roles.join(', ')})` : ''}. A user with the role of root can grant one under Users.`} />}
        </section>
      )}
    </>
  );
}

function Permissions({ of, none }: { of: Permission[]; none: string }) {
  if (!of.length) return <Empty title="Nothing"><p>{none}</p></Empty>;
  return (
    <div class="table">
      <table>
        <thead><tr><th>By the role</th><th>May</th><th>Keys</th></tr></thead>
        <tbody>{of.map((p, i) => <tr key={i}><td>{p.role}</td><td class="nowrap">{accessWords(p)}</td><td class="wide mono"><span class="clip" tabIndex={0}>{rangeWords(p.key, p.rangeEnd)}</span></td></tr>)}</tbody>
      </table>
    </div>
  );
}
