import { useCallback, useEffect, useState } from 'preact/hooks';

export interface Loaded<T> { value?: T; failed?: unknown; loading: boolean; again: () => void }

/** Loads something whenever what it depends on changes. What was loaded before stays until the next is there, unless fresh. */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, on: unknown[], fresh = false): Loaded<T> {
  const [state, setState] = useState<{ value?: T; failed?: unknown; loading: boolean }>({ loading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const ending = new AbortController();
    setState((was) => ({ value: fresh && round === 0 ? undefined : was.value, loading: true }));
    load(ending.signal).then(
      (value) => { if (!ending.signal.aborted) setState({ value, loading: false }); },
      (failed: unknown) => { if (!ending.signal.aborted) setState((was) => ({ ...was, failed, loading: false })); },
    );
    return () => ending.abort();
  }, [...on, round]);
  return { ...state, again: useCallback(() => setRound((n) => n + 1), []) };
}
