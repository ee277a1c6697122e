import { signal } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useEffect } from 'preact/hooks';
import { AccessPage } from '../access/AccessPage';
import { ClusterPage } from '../cluster/ClusterPage';
import { HistoryPage } from '../history/HistoryPage';
import { KeysPage } from '../keys/KeysPage';
import { LivePage } from '../live/LivePage';
import { LeasesPage } from '../turns/LeasesPage';
import { Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { time } from '../ui/format';
import { Toast } from '../ui/toast';
import { lostSince } from '../wire/subscriptions';
import { about, aboutFailed, ask, entered, logOut } from './about';
import { LogIn } from './LogIn';
import { go, link, type PageName, route } from './route';
import { shortcuts, useShortcuts } from './shortcuts';
import { turnTheme } from './theme';

const shown: Record<PageName, { title: string; page: ComponentType }> = {
  keys: { title: 'Keys', page: KeysPage }, history: { title: 'History', page: HistoryPage }, live: { title: 'Live', page: LivePage },
  leases: { title: 'Leases', page: LeasesPage }, cluster: { title: 'Cluster', page: ClusterPage }, access: { title: 'Access', page: AccessPage },
};
const names = Object.keys(shown) as PageName[];
const helping = signal(false);

export function App() {
  const { page } = route.value;
  useEffect(() => { document.title = `${shown[page].title} · Quorate console`; }, [page]);
  useShortcuts([
    { keys: '?', what: 'This list', do: () => { helping.value = true; } },
    ...names.map((name) => ({ keys: `g ${name[0]!}`.replace('g l', name === 'live' ? 'g l' : 'g e'), what: `Go to ${shown[name].title}`, do: () => go(name) })),
    { keys: 'd', what: 'Dark or light', do: turnTheme },
  ]);
  if (!about.value) return <Waiting />;
  const Page = shown[page].page;
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>To the content</a>
      <Top page={page} />
      <div role="status">{lostSince.value > 0 && <p class="lost"><strong>Not connected since {time(lostSince.value)}.</strong> What is shown may be old. Trying again…</p>}</div>
      {entered.value ? <main id="main" tabIndex={-1} class={`page ${page}`}><Page /></main> : <LogIn />}
      <Toast />
      {helping.value && <Help />}
    </>
  );
}

function Top({ page }: { page: PageName }) {
  const { user, authEnabled } = about.value!;
  return (
    <header class="top">
      <a class="brand" href={link('keys')}>Quorate</a>
      {entered.value && (
        <nav aria-label="Pages">
          {names.map((name) => <a key={name} href={link(name)} aria-current={name === page ? 'page' : undefined}>{shown[name].title}</a>)}
        </nav>
      )}
      <span class="grow" />
      <span class="tools">
        {authEnabled && user && <><span class="user clip" tabIndex={0} title={`logged in as ${user}`}>{user}</span><button type="button" class="quiet" onClick={logOut}>Log out</button></>}
        <button type="button" class="quiet" onClick={turnTheme} title="Dark or light (d)" aria-label="Dark or light"><span class="half" aria-hidden="true" /></button>
        <button type="button" class="quiet" onClick={() => { helping.value = true; }} title="Keys of the keyboard (?)" aria-label="Keys of the keyboard">?</button>
      </span>
    </header>
  );
}

function Waiting() {
  useEffect(() => { void ask(); }, []);
  return (
    <main class="login">
      {aboutFailed.value
        ? <Notice kind="error" title="The console cannot reach its server">{aboutFailed.value} <button type="button" onClick={() => void ask()}>Try again</button></Notice>
        : <p class="muted">Loading…</p>}
    </main>
  );
}

function Help() {
  const { version, etcdVersion } = about.value!;
  return (
    <Dialog title="Keys of the keyboard" onClose={() => { helping.value = false; }}>
      <dl class="keyboard">{shortcuts().map((s) => <div key={s.keys}><dt>{s.keys.split(' ').map((k) => <kbd key={k}>{k}</kbd>)}</dt><dd>{s.what}</dd></div>)}
        <div><dt><kbd>Ctrl</kbd><kbd>Enter</kbd></dt><dd>Answer a question as its button does; <kbd>Esc</kbd> leaves it</dd></div>
      </dl>
      <p class="muted">{version ? `Quorate ${version}, ` : ''}{etcdVersion ? `speaks etcd ${etcdVersion}'s API` : ''}</p>
    </Dialog>
  );
}
