import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

interface Props {
  class?: string;
  id?: string;
  role?: 'tree' | 'list' | 'log' | 'table' | 'rowgroup';
  tabIndex?: number;
  'aria-label'?: string;
  'aria-activedescendant'?: string;
  onKeyDown?: (e: KeyboardEvent) => void;
  size: number;
  rowHeight: number;
  /** Renders the lines from one to before another; only those that are seen, and a few more. */
  lines: (from: number, to: number) => ComponentChildren;
  /** The line to have in sight. */
  reveal?: number;
}
const spare = 8;

/** A list of lines of one height, of which only those exist that are seen. */
export function VirtualList({ size, rowHeight, lines, reveal, ...rest }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  useLayoutEffect(() => {
    const scroller = ref.current!;
    const look = () => setView((was) => (was.top === scroller.scrollTop && was.height === scroller.clientHeight ? was : { top: scroller.scrollTop, height: scroller.clientHeight }));
    look();
    scroller.addEventListener('scroll', look, { passive: true });
    const resized = new ResizeObserver(look);
    resized.observe(scroller);
    return () => { scroller.removeEventListener('scroll', look); resized.disconnect(); };
  }, []);
  useEffect(() => {
    const scroller = ref.current!;
    if (reveal === undefined || reveal < 0) return;
    const top = reveal * rowHeight;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + rowHeight > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + rowHeight - scroller.clientHeight;
  }, [reveal, rowHeight]);
  const from = Math.max(0, Math.floor(view.top / rowHeight) - spare);
  const to = Math.min(size, Math.ceil((view.top + view.height) / rowHeight) + spare);
  return (
    <div ref={ref} {...rest} aria-activedescendant={reveal !== undefined && reveal >= from && reveal < to ? rest['aria-activedescendant'] : undefined} class={`virtual ${rest.class ?? ''}`}>
      <div class="virtual-all" role="presentation" style={{ height: size * rowHeight + 'px' }}>
        <div class="virtual-seen" role="presentation" style={{ transform: `translateY(${from * rowHeight}px)` }}>{lines(from, to)}</div>
      </div>
    </div>
  );
}
