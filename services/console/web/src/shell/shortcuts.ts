import { useLayoutEffect } from 'preact/hooks';

export interface Shortcut { keys: string; what: string; do: () => void }
const known = new Set<Shortcut[]>();
let begun = '';
let forget: ReturnType<typeof setTimeout> | undefined;

/** What keys do at this moment, for the list. */
export const shortcuts = (): Shortcut[] => [...known].flat();

const typing = (target: EventTarget | null) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Begins to listen to keys. They do nothing while somebody types, or while a question is open. */
export function listen() {
  addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || document.querySelector('dialog[open]')) return;
    const pressed = begun ? `${begun} ${e.key}` : e.key;
    clearTimeout(forget);
    const all = shortcuts();
    const hit = all.find((s) => s.keys === pressed) ?? all.find((s) => s.keys === e.key);
    begun = '';
    if (hit) {
      e.preventDefault();
      hit.do();
    } else if (all.some((s) => s.keys.startsWith(e.key + ' '))) {
      begun = e.key;
      forget = setTimeout(() => { begun = ''; }, 1000);
    }
  });
}

/** Has keys do something while a component is there. */
export function useShortcuts(own: Shortcut[]) {
  useLayoutEffect(() => { // with what is shown: who sees it may press a key
    known.add(own);
    return () => { known.delete(own); };
  });
}
