import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { escape } from '../bytes/escape';
import { go, keyParam, link, paramKey } from '../shell/route';
import { useShortcuts } from '../shell/shortcuts';
import { Badge, Empty, KeyName, Notice, Segments } from '../ui/basic';
import { Diff } from '../ui/Diff';
import { count, size, time } from '../ui/format';
import { KeyForm } from '../ui/KeyForm';
import { VirtualList } from '../ui/VirtualList';
import { refused, state } from '../wire/subscriptions';
import { begin, clear, end, type Entry, log, pause, paused, rate, waiting, type Watched, watched, watchesMax } from './state';

const filter = signal('');
const kinds = { made: 'good', changed: '', deleted: 'bad' } as const;
const rowHeight = 28;

function matches(e: Entry, text: string): boolean {
  return !text || !!e.note || e.kind === text || escape(e.key).toLowerCase().includes(text);
}

const named = (w: Watched): string => (!w.prefix ? escape(w.key) : w.key ? `${escape(w.key)}…` : 'all keys');

function pace(): string {
  const { sample, value } = rate.value;
  const number = value && value < 10 ? value.toFixed(1) : count(Math.round(value));
  return sample ? `a sample of ${number} revisions a second` : `${number} changes a second`;
}

export function LivePage() {
  const [by, setBy] = useState<'prefix' | 'key'>('prefix');
  const [chosen, setChosen] = useState<Entry | undefined>();
  const key = paramKey('key');
  const prefix = paramKey('prefix');
  useEffect(() => {
    if (key === undefined && prefix === undefined) return;
    begin(key ?? prefix!, key === undefined);
    go('live', {}, true);
  }, [key, prefix]);
  useShortcuts([
    { keys: 'p', what: 'Pause, and go on', do: () => pause(!paused.value) },
    { keys: 'f', what: 'Filter what is shown', do: () => document.querySelector<HTMLInputElement>('.filter')?.focus() },
  ]);
  const text = filter.value.trim().toLowerCase();
  const shown = text ? log.value.filter((e) => matches(e, text)) : log.value;
  return (
    <div class="stack live-page">
      <h1 class="sr">Live</h1>
      <KeyForm label="What to watch" value={undefined} act="Watch" placeholder="/services/   (empty for all keys)" onKey={(k) => begin(k, by === 'prefix' || !k)}>
        <Segments label="Watch" value={by} options={[['prefix', 'Prefix'], ['key', 'One key']]} onChange={setBy} />
      </KeyForm>
      {watched.value.length > 0 && (
        <ul class="chips" aria-label="Watched">
          {watched.value.map((w) => (
            <li key={`${w.prefix}${w.key}`} class={w.failed ? 'bad' : ''}><span class="clip mono">{named(w)}</span><button type="button" class="quiet" aria-label={`Stop watching ${named(w)}`} title={w.failed ?? 'Stop watching'} onClick={() => end(w)}>×</button></li>
          ))}
        </ul>
      )}
      {watched.value.length >= watchesMax && <Notice>No more than {watchesMax} can be watched at once: stop one to begin another.</Notice>}
      {refused.value && <Notice kind="error" title="This cannot be watched">{refused.value}</Notice>}
      {log.value.length + waiting.value.length + watched.value.length === 0
        ? <Empty title="Type a key or a prefix to see its changes as they come"><p>Each change is shown with what it was before. The watch goes on while you look at other pages, and after the server was away it goes on where it was.</p></Empty>
        : (
          <>
            <div class="toolbar">
              <button type="button" class="pausing" aria-pressed={paused.value} onClick={() => pause(!paused.value)}>{paused.value ? `Go on (${count(waiting.value.length)} new)` : 'Pause'}</button>
              <button type="button" onClick={clear}>Clear</button>
              <input type="search" class="filter mono" aria-label="Filter" placeholder="Filter: part of a key, made, changed or deleted" value={filter.value} onInput={(e) => { filter.value = e.currentTarget.value; }} />
              <span class="pace muted" role="status">{state.value === 'open' ? pace() : state.value === 'lost' ? 'connection lost, trying again…' : state.value === 'opening' ? 'connecting…' : ''}</span>
            </div>
            <div class="columns even">
              {shown.length ? (
                <VirtualList class="log" role="list" aria-label="Changes, the newest first" tabIndex={0} size={shown.length} rowHeight={rowHeight} lines={(from, to) => shown.slice(from, to).map((e) => (
                  <div role="listitem" key={e.n}>{e.note
                    ? <div class={`event ${e.warn ? 'warned' : 'muted'}`}><span class="nowrap">{time(e.at)}</span><span class="clip" title={e.note}><span class="mono">{escape(e.key) || 'all keys'}</span> {e.note}</span></div>
                    : <button type="button" class={`event${chosen?.n === e.n ? ' chosen' : ''}`} onClick={() => setChosen(e)}>
                      <span class="muted nowrap">{time(e.at)}</span><Badge kind={kinds[e.kind!]}>{e.kind}</Badge><span class="clip mono grow" title={escape(e.key)}>{escape(e.key)}</span><span class="muted nowrap rev">{e.revision}</span>
                    </button>}</div>
                ))} />
              ) : <Empty title={text ? 'Nothing of that kind yet' : 'Nothing has changed yet'}><p>{text ? 'The filter hides what has come: clear it to see all.' : 'Changes appear here when they happen.'}</p></Empty>}
              {chosen ? <Chosen of={chosen} /> : <p class="muted pad">Choose a change to see what it changed.</p>}
            </div>
          </>
        )}
    </div>
  );
}

function Chosen({ of }: { of: Entry }) {
  return (
    <section class="stack" aria-label="Chosen change">
      <KeyName name={of.key} href={link('keys', { key: keyParam(of.key) })} />
      <p class="muted">{of.kind} at revision {of.revision}, {size(of.bytes)} · <a href={link('history', { key: keyParam(of.key) })}>history</a></p>
      {of.cut && <Notice>The values are longer than what is shown here: the history has all of them.</Notice>}
      {of.kind === 'changed' && of.before === undefined ? <Notice>What it was before is compacted.</Notice> : null}
      <Diff before={of.before} after={of.after} />
    </section>
  );
}
