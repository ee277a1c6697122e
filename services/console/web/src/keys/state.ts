import { computed, effect, signal, untracked } from '@preact/signals';
import { type Bytes } from '../bytes/bytes';
import { unescape } from '../bytes/escape';
import { entered } from '../shell/about';
import { paramKey, route } from '../shell/route';
import { children, containing } from './sources';
import { type Source, Tree } from './tree';

/** What names are folded at, as it is typed; empty for a flat list. It is kept for as long as the tab is open. */
export const separator = signal(sessionStorage.getItem('quorate-separator') ?? '/');
effect(() => sessionStorage.setItem('quorate-separator', separator.value));

export type SearchMode = 'contains' | 'begins';
export const query = computed(() => route.value.params.get('q') ?? '');
export const mode = computed<SearchMode>(() => (route.value.params.get('by') === 'begins' ? 'begins' : 'contains'));

/** Counts what has changed of the tree, so that what shows it knows. */
export const turned = signal(0);
/** Says what is wrong with what was typed. */
export const wrong = signal('');

function source(): { from: Source; prefix: Bytes; flat: boolean } {
  const text = unescape(query.value);
  if (!text) return { from: children(unescape(separator.value)), prefix: '', flat: !separator.value };
  return mode.value === 'begins' ? { from: children(''), prefix: text, flat: true } : { from: containing(text, text === text.toLowerCase()), prefix: '', flat: true };
}

const anew = signal(0);
export const tree = signal<{ tree: Tree; flat: boolean } | undefined>(undefined);
effect(() => {
  wrong.value = '';
  if (!entered.value) return;
  void anew.value;
  try {
    const { from, prefix, flat } = source();
    const made = new Tree(from, () => { turned.value++; }, prefix);
    tree.value = { tree: made, flat };
    untracked(() => void made.begin().then(() => openOnly(made)));
  } catch (e) {
    wrong.value = (e as Error).message;
  }
});

/** Opens the folders that lead to the key that is chosen, and the one that is alone, as the first of names that begin with a separator is. */
async function openOnly(made: Tree) {
  for (let level = made.root, depth = 0; depth < 12; depth++) {
    const rows = level.pages[0]?.rows ?? [];
    const folders = rows.filter((row) => row.folded);
    const chosen = paramKey('key') ?? paramKey('folder') ?? '';
    const row = folders.find((folder) => chosen.startsWith(folder.name) && chosen !== folder.name) ?? (level.more || folders.length !== 1 || rows.length > 4 ? undefined : folders[0]);
    if (!row) return;
    await made.toggle(level, row, true);
    level = level.pages[0]!.open.find((open) => open.name === row.name)!.level;
  }
}

/** Has the tree read anew, after something was changed. */
export function refresh() {
  const root = tree.value?.tree.root;
  if (root?.pages.some((page) => page.count)) tree.value!.tree.refresh();
  else anew.value++; // of a tree without keys nothing is looked at, and so nothing would be read
}
