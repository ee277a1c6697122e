import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { words } from '../wire/call';
import { Notice } from './basic';

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** What the button says that does it; without one there is only a button to close. */
  act?: string;
  danger?: boolean;
  disabled?: boolean;
  /** Does it. While it runs, the button waits; what it throws is shown. */
  onAct?: () => Promise<void> | void;
  wide?: boolean;
  /** All is done: there is nothing to cancel any more. */
  over?: boolean;
  /** Further buttons. */
  more?: ComponentChildren;
}

/** A question above the page. The browser holds the focus in it, and Escape closes it. */
export function Dialog({ title, onClose, children, act, danger, disabled, onAct, wide, over, more }: Props) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState('');
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const dialog = ref.current!;
    dialog.showModal();
    (dialog.querySelector<HTMLElement>('[data-first]') ?? (danger ? dialog.querySelector<HTMLElement>('.close') : dialog))?.focus();
    return () => { dialog.close(); (before?.isConnected ? before : document.getElementById('main'))?.focus(); };
  }, []);
  // The button that acts has the focus as soon as it can be pressed, and after it has acted; where that is a danger, only after it.
  useEffect(() => {
    const dialog = ref.current!;
    const active = document.activeElement;
    if (!busy && !disabled && (active === dialog || !dialog.contains(active))) dialog.querySelector<HTMLElement>(act ? '[type=submit]' : '.close')?.focus();
  }, [busy, disabled, over, act]);
  const submit = async (e: Event) => {
    e.preventDefault();
    if (busy || disabled || !onAct) return;
    setBusy(true);
    setFailed('');
    try {
      await onAct();
    } catch (wrong) {
      setFailed(words(wrong));
    }
    setBusy(false);
  };
  return (
    <dialog ref={ref} tabIndex={-1} class={wide ? 'wide' : ''} aria-labelledby={id} onCancel={(e) => { e.preventDefault(); onClose(); }}>
      <form onSubmit={submit} onKeyDown={(e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) void submit(e); }}>
        <h2 id={id}>{title}</h2>
        <div class="dialog-body">{children}{failed && <Notice kind="error">{failed}</Notice>}</div>
        <footer>
          {more}<span class="grow" />
          {!over && <button type="button" class="close" onClick={onClose}>{act ? 'Cancel' : 'Close'}</button>}
          {act && <button type="submit" class={danger && !over ? 'danger' : 'primary'} disabled={busy || disabled} aria-busy={busy}>{busy ? 'Working…' : act}</button>}
        </footer>
      </form>
    </dialog>
  );
}
