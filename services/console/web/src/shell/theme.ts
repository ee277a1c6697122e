import { effect, signal } from '@preact/signals';

const name = 'quorate-theme';
export type Theme = '' | 'light' | 'dark';
/** Empty for what the system says. */
export const theme = signal<Theme>((localStorage.getItem(name) as Theme | null) ?? '');

effect(() => {
  if (theme.value) document.documentElement.dataset.theme = theme.value;
  else delete document.documentElement.dataset.theme;
  if (theme.value) localStorage.setItem(name, theme.value);
  else localStorage.removeItem(name);
});

const dark = matchMedia('(prefers-color-scheme: dark)');
/** Changes to the other one; back to what the system says where that is the same. */
export function turnTheme() {
  const now = theme.value || (dark.matches ? 'dark' : 'light');
  const next = now === 'dark' ? 'light' : 'dark';
  theme.value = (next === 'dark') === dark.matches ? '' : next;
}
