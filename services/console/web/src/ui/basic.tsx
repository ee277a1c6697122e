import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { escape } from '../bytes/escape';

/** A key, or anything else that may be long: cut off at the edge, whole when it has the focus. */
export function Clip({ children, href, class: kind = '', title }: { children: string; href?: string; class?: string; title?: string }) {
  return href
    ? <a class={`clip mono ${kind}`} href={href} title={title ?? children}>{children}</a>
    : <span class={`clip mono ${kind}`} tabIndex={0} title={title ?? children}>{children}</span>;
}
export const KeyName = ({ name, href }: { name: Bytes; href?: string }) => <Clip href={href}>{escape(name) || '(all keys)'}</Clip>;

export function Notice({ kind = 'info', title, children }: { kind?: 'info' | 'error' | 'warn' | 'good'; title?: string; children?: ComponentChildren }) {
  return <div class={`notice ${kind}`} role={kind === 'error' ? 'alert' : undefined}>{title && <strong>{title}</strong>}{children && <div>{children}</div>}</div>;
}

/** What a place without anything in it says: what would be here, and what to do for that. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><h2>{title}</h2>{children && <div>{children}</div>}</div>;
}

export function Field({ label, hint, error, children }: { label: string; hint?: ComponentChildren; error?: string; children: (id: string, described: string) => ComponentChildren }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id, `${id}-hint`)}
      <div id={`${id}-hint`} class={error ? 'hint bad' : 'hint'} role={error ? 'alert' : undefined}>{error || hint}</div>
    </div>
  );
}

/** A choice of few, as buttons side by side. */
export function Segments<T extends string>({ label, value, options, onChange }: { label: string; value: T; options: [T, string][]; onChange: (value: T) => void }) {
  return (
    <div class="segments" role="radiogroup" aria-label={label}>
      {options.map(([id, text], i) => (
        <button key={id} type="button" role="radio" aria-checked={id === value} tabIndex={id === value || (!i && options.every(([own]) => own !== value)) ? 0 : -1} onClick={() => onChange(id)}
          onKeyDown={(e) => {
            const step = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;
            if (!step) return;
            const at = (options.findIndex(([own]) => own === value) + step + options.length) % options.length;
            onChange(options[at]![0]);
            (e.currentTarget.parentElement!.children[at] as HTMLElement).focus();
          }}>{text}</button>
      ))}
    </div>
  );
}

export const Badge = ({ kind = '', children }: { kind?: string; children: ComponentChildren }) => <span class={`badge ${kind}`}>{children}</span>;

/** Names and values, side by side. */
export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  return <dl class="facts">{of.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}
