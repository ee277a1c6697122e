import { computed, signal } from '@preact/signals';
import { call, consoleService, onLoggedOut, Refused, words } from '../wire/call';
import { setToken, token } from '../wire/token';
import type { About } from '../wire/types';

/** What the server is and who asks; undefined until it has said. */
export const about = signal<About | undefined>(undefined);
/** Why it has not said. */
export const aboutFailed = signal('');
/** Why somebody has to log in again. */
export const loggedOut = signal('');

/** Whether the pages may be shown: somebody is logged in, or nobody needs to be. */
export const entered = computed(() => !!about.value && (!about.value.authEnabled || !!about.value.user));

export async function ask(): Promise<void> {
  try {
    const answer = await call<About>(`${consoleService}/About`);
    if (answer.authEnabled && !answer.user && token.value) return ended();
    about.value = answer;
    aboutFailed.value = '';
  } catch (wrong) {
    if (wrong instanceof Refused && wrong.code === 'unauthenticated' && token.value) return ended();
    aboutFailed.value = words(wrong);
  }
}

/** The token shows nobody any more. */
function ended(): Promise<void> {
  setToken('');
  loggedOut.value = 'Your log-in has ended. Log in again; what you have not saved is still here where you left it.';
  return ask();
}

let asking = false;
onLoggedOut.do = () => {
  if (asking) return;
  asking = true;
  void ask().finally(() => { asking = false; });
};

export async function logIn(name: string, password: string) {
  const answer = await call<{ token?: string }>('etcdserverpb.Auth/Authenticate', { name, password });
  setToken(answer.token ?? '');
  loggedOut.value = '';
  await ask();
}

export function logOut() {
  setToken('');
  loggedOut.value = '';
  void ask();
}
