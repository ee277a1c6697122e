import { signal } from '@preact/signals';

const name = 'quorate-token';

/** The token of the user that is logged in, for as long as this tab is open; empty for nobody. */
export const token = signal(sessionStorage.getItem(name) ?? '');

export function setToken(value: string) {
  if (value) sessionStorage.setItem(name, value);
  else sessionStorage.removeItem(name);
  token.value = value;
}
