import { useEffect, useState } from 'preact/hooks';
import { Empty, Notice } from '../ui/basic';
import { time } from '../ui/format';
import { call, consoleService, words } from '../wire/call';
import { onSeries } from '../wire/subscriptions';
import type { Mark, Series, SeriesResponse } from '../wire/types';
import { Chart } from './Chart';

export const span = 2 * 3600 * 1000;

interface Shown { times: number[]; series: (Omit<Series, 'values'> & { values: number[] })[]; marks: Mark[] }

/** Puts new points behind those that there are, and forgets those of more than two hours ago. */
export function join(was: Shown | undefined, news: SeriesResponse): Shown {
  const fresh = (news.timesUnixMilli ?? []).map(Number);
  const last = was?.times.at(-1) ?? 0;
  const skip = fresh.findIndex((t) => t > last);
  const times = skip < 0 ? [] : fresh.slice(skip);
  const all = [...(was?.times ?? []), ...times];
  const drop = Math.max(0, all.findIndex((t) => t > (all.at(-1) ?? 0) - span));
  const old = new Map((was?.series ?? []).map((s) => [s.name, s.values]));
  const gap = (was?.times ?? []).map(() => NaN);
  const series = (news.series ?? was?.series ?? []).map((s) => ({
    ...s, values: [...(old.get(s.name) ?? gap), ...(skip < 0 ? [] : (s.values ?? []).slice(skip).map(Number))].slice(drop),
  }));
  const known = new Set((was?.marks ?? []).map((m) => `${m.timeUnixMilli} ${m.kind} ${m.text}`));
  const marks = [...(was?.marks ?? []), ...(news.marks ?? []).filter((m) => !known.has(`${m.timeUnixMilli} ${m.kind} ${m.text}`))];
  return { times: all.slice(drop), series, marks };
}

export function Charts() {
  const [shown, setShown] = useState<Shown | undefined>();
  const [failed, setFailed] = useState('');
  const [at, setAt] = useState<number | undefined>();
  const [round, setRound] = useState(0);
  useEffect(() => {
    let stop = () => {};
    let over = false;
    setFailed('');
    call<SeriesResponse>(`${consoleService}/Series`).then((first) => {
      if (over) return;
      setShown(join(undefined, first));
      stop = onSeries(first.timesUnixMilli?.at(-1) ?? '0', (news) => setShown((was) => join(was, news)));
    }, (e) => { if (!over) setFailed(words(e)); });
    return () => { over = true; stop(); };
  }, [round]);
  if (failed) return <Notice kind="error" title="The charts cannot be read">{failed} <button type="button" onClick={() => setRound(round + 1)}>Try again</button></Notice>;
  if (!shown) return <p class="muted">Loading…</p>;
  if (shown.times.length < 2) return <Empty title="There is nothing to draw yet"><p>This process measures itself every ten seconds: the first lines are here in a moment, and then of the last two hours.</p></Empty>;
  const charts = [...new Set(shown.series.map((s) => s.chart ?? ''))].map((title) => ({ title, series: shown.series.filter((s) => s.chart === title) }));
  return (
    <>
      <p class="muted">What the process that served this page has measured of itself{shown.times[0] ? `, since ${time(shown.times[0])}` : ''}. Marks: <span class="key KIND_LEADER">leader</span> <span class="key KIND_ALARM">alarm</span> <span class="key KIND_COMPACTION">compaction</span> <span class="key KIND_START">start</span></p>
      <div class="charts">{charts.map((c) => <Chart key={c.title} title={c.title} times={shown.times} series={c.series} marks={shown.marks} at={at} onAt={setAt} />)}</div>
    </>
  );
}
