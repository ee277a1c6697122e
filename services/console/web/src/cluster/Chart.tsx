import { useMemo } from 'preact/hooks';
import { count, duration, size, time } from '../ui/format';
import type { Mark, Series, Unit } from '../wire/types';

interface Line extends Omit<Series, 'values'> { values: number[] }
interface Props { title: string; times: number[]; series: Line[]; marks: Mark[]; /** The time that is pointed at, in any chart. */ at?: number; onAt: (at: number | undefined) => void }

const width = 600;
const height = 100;
/** More time without a point than this is a gap. */
const gap = 35_000;

export function written(value: number | undefined, unit: Unit | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  switch (unit) {
    case 'UNIT_SECONDS': return duration(value);
    case 'UNIT_BYTES': return size(Math.round(value));
    case 'UNIT_BYTES_PER_SECOND': return `${size(Math.round(value))}/s`;
    case 'UNIT_PER_SECOND': return `${value < 10 ? value.toFixed(1) : count(Math.round(value))}/s`;
    case 'UNIT_PROCESSORS': return value.toFixed(2);
    default: return count(Math.round(value));
  }
}

/** The next round number, so that the scale does not change with each point. */
export function ceiling(max: number, unit: Unit | undefined): number {
  if (!(max > 0)) return 1;
  const base = unit === 'UNIT_BYTES' || unit === 'UNIT_BYTES_PER_SECOND' ? 2 ** Math.floor(Math.log2(max)) : 10 ** Math.floor(Math.log10(max));
  return base * ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((n) => base * n >= max) ?? 10);
}

function path(times: number[], values: number[], x: (t: number) => number, top: number): string {
  let d = '';
  let before = NaN;
  for (let i = 0; i < times.length; i++) {
    const v = values[i]!;
    if (Number.isNaN(v) || v === undefined) { before = NaN; continue; }
    const t = times[i]!;
    const place = `${x(t).toFixed(1)} ${(height - (Math.min(v, top) / top) * height).toFixed(1)}`;
    d += t - before <= gap ? `L${place}` : `M${place}h0`; // a point alone is a dot
    before = t;
  }
  return d;
}

/** Lines of one unit over time, with what happened meanwhile. The arrow keys point at times, as the mouse does. */
export function Chart({ title, times, series, marks, at, onAt }: Props) {
  const first = times[0]!;
  const last = times.at(-1)!;
  const unit = series[0]?.unit;
  const x = (t: number) => ((t - first) / (last - first || 1)) * width;
  const top = useMemo(() => ceiling(series.reduce((max, s) => s.values.reduce((m, v) => (v > m ? v : m), max), 0), unit), [series]);
  const lines = useMemo(() => series.map((s) => path(times, s.values, x, top)), [series, times, top]);
  const index = at === undefined ? times.length - 1 : times.reduce((best, t, i) => (Math.abs(t - at) < Math.abs(times[best]! - at) ? i : best), 0);
  const seen = marks.filter((m) => Number(m.timeUnixMilli) >= first && Number(m.timeUnixMilli) <= last);
  const near = at === undefined ? undefined : seen.find((m) => Math.abs(x(Number(m.timeUnixMilli)) - x(at)) < 6);
  const point = (e: MouseEvent) => {
    const box = (e.currentTarget as Element).getBoundingClientRect();
    onAt(first + ((e.clientX - box.left) / box.width) * (last - first));
  };
  const empty = lines.every((d) => !d);
  return (
    <figure class="chart">
      <figcaption><h2>{title}</h2><span class="muted">{near ? near.text : at === undefined ? '' : time(times[index]!)}</span></figcaption>
      <div class="plot" tabIndex={0} role="img" aria-label={`${title}: ${series.map((s) => `${s.title} ${written(s.values[index], unit)}`).join(', ')}`} onMouseMove={point} onMouseLeave={() => onAt(undefined)} onBlur={() => onAt(undefined)}
        onKeyDown={(e) => {
          const step = e.key === 'ArrowLeft' ? -1 : e.key === 'ArrowRight' ? 1 : 0;
          if (!step) return;
          e.preventDefault();
          onAt(times[Math.max(0, Math.min(times.length - 1, index + step * (e.shiftKey ? 30 : 1)))]);
        }}>
        <span class="scale">{written(top, unit)}</span>
        {empty && <span class="nothing">nothing to measure yet</span>}
        <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
          <path class="grid" d={`M0 0H${width}M0 ${height / 2}H${width}M0 ${height}H${width}`} />
          {seen.map((m, i) => <path key={i} class={`mark ${m.kind}`} d={`M${x(Number(m.timeUnixMilli))} 0V${height}`}><title>{m.text}</title></path>)}
          {lines.map((d, i) => <path key={series[i]!.name} class={`line line-${i}`} d={d} />)}
          {at !== undefined && <path class="cursor" d={`M${x(times[index]!)} 0V${height}`} />}
        </svg>
      </div>
      <div class="axis muted"><span>{time(first)}</span><span>{time(last)}</span></div>
      <ul class="legend">{series.map((s, i) => <li key={s.name}><span class={`swatch line-${i}`} aria-hidden="true" />{s.title} <b>{written(s.values[index], unit)}</b></li>)}</ul>
    </figure>
  );
}
