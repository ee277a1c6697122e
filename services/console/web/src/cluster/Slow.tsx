import { fromBase64 } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { Badge, Clip, Empty, Notice } from '../ui/basic';
import { duration, time } from '../ui/format';
import { useLoad } from '../ui/load';
import { call, consoleService, words } from '../wire/call';
import type { SlowRequest } from '../wire/types';

const phases = ['queue', 'sync', 'commit', 'apply'] as const;

/** The slowest requests of each method, with where their time went. */
export function Slow() {
  const { value, failed, again } = useLoad((signal) => call<{ requests?: SlowRequest[] }>(`${consoleService}/SlowRequests`, {}, signal), []);
  if (failed) return <Notice kind="error" title="The slowest requests cannot be seen">{words(failed)} <button type="button" onClick={again}>Try again</button></Notice>;
  if (!value) return <p class="muted">Loading…</p>;
  const all = value.requests ?? [];
  if (!all.length) return <Empty title="Nothing was slow"><p>The ten slowest requests of each method in the last two hours are listed here, without any value.</p></Empty>;
  const methods = [...new Set(all.map((r) => r.method))];
  return (
    <>
      <p class="muted">The ten slowest of each method in the last two hours, as this process has served them. <button type="button" onClick={again}>Read again</button></p>
      <p class="muted">Phases of a write: {phases.map((p) => <span key={p} class="phase-key"><span class={`swatch phase-${p}`} aria-hidden="true" />{p}</span>)}</p>
      {methods.map((method) => (
        <section key={method} class="stack" aria-label={method}>
          <h2 class="mono">{method}</h2>
          <div class="table" tabIndex={0}>
            <table class="slowest">
              <thead><tr><th class="num">Took</th><th>Where</th><th>When</th><th>Who</th><th>Keys</th><th>Like</th></tr></thead>
              <tbody>{all.filter((r) => r.method === method).map((r, i) => <Row key={i} r={r} />)}</tbody>
            </table>
          </div>
        </section>
      ))}
    </>
  );
}

function Row({ r }: { r: SlowRequest }) {
  const took = Number(r.took ?? 0);
  const parts = phases.map((p) => ({ p, us: Number(r[p] ?? 0) })).filter(({ us }) => us > 0);
  return (
    <tr>
      <td class="num">{duration(took / 1e6)}</td>
      <td>{parts.length
        ? <svg class="phases" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label={parts.map(({ p, us }) => `${p} ${duration(us / 1e6)}`).join(', ')}><title>{parts.map(({ p, us }) => `${p} ${duration(us / 1e6)}`).join(', ')}</title>
          {parts.map(({ p, us }, i) => <rect key={p} class={`phase-${p}`} x={parts.slice(0, i).reduce((sum, o) => sum + o.us, 0) / took * 100} width={us / took * 100} height="8" />)}</svg>
        : <span class="muted">–</span>}</td>
      <td class="nowrap">{time(Number(r.timeUnixMilli ?? 0))}</td>
      <td class="nowrap" title={`${r.user ?? ''} ${r.peer ?? ''}`}>{r.user || <span class="muted">nobody</span>} <span class="muted">{r.peer}</span></td>
      <td class="wide">{r.prefix ? <Clip>{escape(fromBase64(r.prefix))}</Clip> : ''}</td>
      <td class="nowrap" title={r.shape}>{r.shape} {r.code && r.code !== 'OK' && <Badge kind="bad">{r.code}</Badge>}</td>
    </tr>
  );
}
