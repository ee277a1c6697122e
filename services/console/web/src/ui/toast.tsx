import { signal } from '@preact/signals';

const shown = signal<{ text: string; kind: 'good' | 'error' } | undefined>(undefined);
let hide: ReturnType<typeof setTimeout> | undefined;

/** Says in passing what has been done. */
export function toast(text: string, kind: 'good' | 'error' = 'good') {
  shown.value = { text, kind };
  clearTimeout(hide);
  hide = setTimeout(() => { shown.value = undefined; }, kind === 'error' ? 10_000 : 4_000);
}

export const Toast = () => <div class="toasts" role="status">{shown.value && <div class={`toast ${shown.value.kind}`}>{shown.value.text}</div>}</div>;
