import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { escape, unescape } from '../bytes/escape';
import { useShortcuts } from '../shell/shortcuts';

/** Asks for a key or a prefix: a field, and a button that does something with it. */
export function KeyForm({ label, value, act, placeholder, required, onKey, children }: {
  label: string; value: Bytes | undefined; act: string; placeholder: string; required?: boolean; onKey: (key: Bytes) => void; children?: ComponentChildren;
}) {
  const [text, setText] = useState(escape(value ?? ''));
  useEffect(() => setText(escape(value ?? '')), [value]);
  useShortcuts([{ keys: '/', what: label, do: () => document.querySelector<HTMLInputElement>('.keyform input')?.select() }]);
  let wrong = '';
  try {
    unescape(text);
  } catch (e) {
    wrong = (e as Error).message;
  }
  return (
    <form class="keyform" onSubmit={(e) => { e.preventDefault(); if (!wrong && (text || !required)) onKey(unescape(text)); }}>
      <div class="toolbar">
        <input class="mono grow" aria-label={label} aria-invalid={!!wrong} placeholder={placeholder} spellcheck={false} autocapitalize="off" value={text} onInput={(e) => setText(e.currentTarget.value)} />
        {children}
        <button type="submit" class="primary" disabled={!!wrong || (required && !text)}>{act}</button>
      </div>
      {wrong && <p class="hint bad" role="alert">{wrong}</p>}
    </form>
  );
}
