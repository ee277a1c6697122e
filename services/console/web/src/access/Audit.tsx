import { useState } from 'preact/hooks';
import { fromText } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { Badge, Clip, Empty, Notice } from '../ui/basic';
import { duration, time } from '../ui/format';
import { useLoad } from '../ui/load';
import { call, consoleService, words } from '../wire/call';

type AuditKey = string | { base64?: string };
interface Line {
  time?: string; user?: string; proof?: string; peer?: string; method?: string; decision?: string; code?: string; duration_us?: number;
  ranges?: { access?: string; key?: AuditKey; range_end?: AuditKey }[]; of_user?: string; of_role?: string; of_lease?: string; of_member?: string;
}

function read(raw: string): Line | undefined {
  try {
    return JSON.parse(raw) as Line;
  } catch {
    return undefined;
  }
}
const key = (k: AuditKey | undefined): string => (typeof k === 'string' ? escape(fromText(k)) : k?.base64 ?? '');
const about = (l: Line): string => [
  ...(l.ranges ?? []).map((r) => `${r.access} ${key(r.key)}${r.range_end === undefined ? '' : ` to ${key(r.range_end) === '\\x00' ? 'the end' : key(r.range_end)}`}`),
  l.of_user && `user ${l.of_user}`, l.of_role && `role ${l.of_role}`, l.of_lease && `lease ${l.of_lease}`, l.of_member && `member ${l.of_member}`,
].filter(Boolean).join(', ');

/** The last lines of the audit log, the newest first. */
export function Audit() {
  const [text, setText] = useState('');
  const { value, failed, again } = useLoad((signal) => call<{ lines?: string[]; unavailable?: string }>(`${consoleService}/AuditTrail`, { limit: '500' }, signal), []);
  if (failed) return <Notice kind="error" title="The audit trail cannot be read">{words(failed)} <button type="button" onClick={again}>Try again</button></Notice>;
  if (!value) return <p class="muted">Loading…</p>;
  if (value.unavailable) return <Empty title="There is no audit trail here"><p>{value.unavailable}</p><p>To have one, start the server with:</p><pre>quorate --audit-log /var/log/quorate/audit.log</pre></Empty>;
  const wanted = text.trim().toLowerCase();
  const lines = (value.lines ?? []).filter((raw) => raw.toLowerCase().includes(wanted)).reverse();
  return (
    <>
      <div class="toolbar"><input type="search" class="filter" aria-label="Filter" placeholder="Filter: a user, a method, denied" value={text} onInput={(e) => setText(e.currentTarget.value)} /><button type="button" onClick={again}>Read again</button><span class="muted">the last {value.lines?.length ?? 0} lines of this process</span></div>
      {!lines.length ? <Empty title={wanted ? 'No line has that' : 'Nothing has been asked yet'} /> : (
        <div class="table">
          <table>
            <thead><tr><th>When</th><th>Who</th><th>Method</th><th>Of what</th><th>Outcome</th><th class="num">Took</th></tr></thead>
            <tbody>{lines.map((raw, i) => {
              const l = read(raw);
              if (!l) return <tr key={i}><td colSpan={6} class="mono break">{raw}</td></tr>;
              const fine = l.decision === 'allowed' && (l.code === 'OK' || /^2/.test(l.code ?? ''));
              return (
                <tr key={i} title={raw}><td class="nowrap">{time(Date.parse(l.time ?? ''))}</td><td class="nowrap">{l.user || <span class="muted">nobody</span>} <span class="muted">{l.peer}</span></td><td class="mono nowrap">{l.method?.replace(/^etcdserverpb\./, '')}</td>
                  <td class="wide"><Clip>{about(l)}</Clip></td><td class="nowrap"><Badge kind={fine ? 'good' : 'bad'}>{l.decision === 'allowed' && !fine ? l.code : l.decision}</Badge></td><td class="num">{l.duration_us === undefined ? '' : duration(l.duration_us / 1e6)}</td></tr>
              );
            })}</tbody>
          </table>
        </div>
      )}
    </>
  );
}
