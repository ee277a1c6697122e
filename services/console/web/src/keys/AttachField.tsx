import { useState } from 'preact/hooks';
import { Field } from '../ui/basic';
import { fromId, id } from '../ui/format';
import type { Attach } from './store';

type Kind = Attach['to'];

/** What a field says of a lease, and what is wrong with that. */
export interface Chosen { attach: Attach; wrong: string }

function chosen(kind: Kind, text: string): Chosen {
  if (kind === 'ttl') {
    const seconds = Number(text);
    const fine = /^\d+$/.test(text.trim()) && seconds >= 1 && seconds <= 9_000_000_000;
    return { attach: { to: 'ttl', seconds }, wrong: fine ? '' : 'Say how many seconds, such as 60.' };
  }
  if (kind === 'lease') {
    try {
      return { attach: { to: 'lease', id: fromId(text) }, wrong: '' };
    } catch (e) {
      return { attach: { to: 'none' }, wrong: (e as Error).message };
    }
  }
  return { attach: { to: kind }, wrong: '' };
}

/** Asks for how long a key is to live. now is the lease that it is attached to, "0" for none. */
export function AttachField({ now, onChange }: { now: string; onChange: (to: Chosen) => void }) {
  const [kind, setKind] = useState<Kind>(now === '0' ? 'none' : 'same');
  const [text, setText] = useState('');
  const set = (kind: Kind, text: string) => { setKind(kind); setText(text); onChange(chosen(kind, text)); };
  const { wrong } = chosen(kind, text);
  return (
    <div class="row wrap">
      <Field label="Lives">
        {(own) => (
          <select id={own} value={kind} onChange={(e) => set(e.currentTarget.value as Kind, '')}>
            {now !== '0' && <option value="same">with its lease {id(now)}, as now</option>}
            <option value="none">until it is deleted</option>
            <option value="ttl">for a time, by a lease of its own</option>
            <option value="lease">with a lease that there is</option>
          </select>
        )}
      </Field>
      {kind === 'ttl' && <Field label="Seconds" error={text ? wrong : ''} hint="Then it is gone.">{(own, hint) => <input id={own} aria-describedby={hint} inputMode="numeric" size={8} value={text} onInput={(e) => set(kind, e.currentTarget.value)} />}</Field>}
      {kind === 'lease' && <Field label="Lease" error={text ? wrong : ''} hint="In hex, as on the page Leases.">{(own, hint) => <input id={own} aria-describedby={hint} class="mono" size={18} value={text} onInput={(e) => set(kind, e.currentTarget.value)} />}</Field>}
    </div>
  );
}
