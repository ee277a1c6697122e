import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { duration } from '../ui/format';

/** The time, to the second, while something counts down. */
const now = signal(Date.now());
let users = 0;
let timer: ReturnType<typeof setInterval> | undefined;

/** The time that a lease has left, counted down from what was told at a time; of -1, that it has ended. */
export function Left({ ttl, at, granted }: { ttl: number; at: number; granted?: number }) {
  useEffect(() => {
    if (users++ === 0) timer = setInterval(() => { now.value = Date.now(); }, 1000);
    return () => { if (--users === 0) clearInterval(timer); };
  }, []);
  if (ttl < 0) return <span class="left bad">ended</span>;
  const left = Math.max(0, Math.round(ttl - Math.max(0, now.value - at) / 1000));
  return <span class={granted && left < granted / 4 ? 'left bad' : 'left'}>{left ? duration(left) : 'ending'}</span>;
}
