import { useState } from 'preact/hooks';
import { Field, Notice } from '../ui/basic';
import { useFocus } from '../ui/focus';
import { words } from '../wire/call';
import { loggedOut, logIn } from './about';

export function LogIn() {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [failed, setFailed] = useState('');
  const [busy, setBusy] = useState(false);
  const first = useFocus<HTMLInputElement>();
  const submit = async (e: Event) => {
    e.preventDefault();
    setBusy(true);
    setFailed('');
    try {
      await logIn(name, password);
    } catch (wrong) {
      setFailed(words(wrong));
    }
    setBusy(false);
  };
  return (
    <main class="login">
      <form onSubmit={submit}>
        <h1>Log in</h1>
        <p class="muted">This store wants to know who asks: a user of etcd's, with a password.</p>
        {loggedOut.value && <Notice kind="warn">{loggedOut.value}</Notice>}
        <Field label="User">{(id) => <input id={id} class="full" ref={first} autocomplete="username" autocapitalize="off" spellcheck={false} value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        <Field label="Password" hint="It is sent once; a token for this tab is kept until the tab is closed.">{(id, hint) => <input id={id} aria-describedby={hint} class="full" type="password" autocomplete="current-password" value={password} onInput={(e) => setPassword(e.currentTarget.value)} />}</Field>
        {failed && <Notice kind="error" title="That did not work">{failed}</Notice>}
        <button type="submit" class="primary" disabled={busy || !name}>{busy ? 'Logging in…' : 'Log in'}</button>
      </form>
    </main>
  );
}
