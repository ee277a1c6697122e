import { signal } from '@preact/signals';
import type { Bytes } from '../bytes/bytes';
import { escape, unescape } from '../bytes/escape';

export const pages = ['keys', 'history', 'live', 'leases', 'cluster', 'access'] as const;
export type PageName = (typeof pages)[number];
export interface Route { page: PageName; params: URLSearchParams }

function parse(): Route {
  const [page, query] = location.hash.replace(/^#\/?/, '').split('?');
  return { page: (pages as readonly string[]).includes(page!) ? (page as PageName) : 'keys', params: new URLSearchParams(query) };
}

/** Where the reader is: what stands behind # in the address. It is all of a page that can be shared or gone back to. */
export const route = signal(parse());
addEventListener('hashchange', () => { route.value = parse(); });

export type Params = Record<string, string | undefined>;

export function link(page: PageName, params: Params = {}): string {
  const query = new URLSearchParams(Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== undefined));
  return `#/${page}${query.size ? `?${query}` : ''}`;
}
export function go(page: PageName, params: Params = {}, replace = false) {
  const to = link(page, params);
  if (replace) {
    history.replaceState(null, '', to);
    route.value = parse();
  } else location.hash = to;
}

/** Keys in addresses are written as they are shown. */
export const keyParam = (key: Bytes): string => escape(key);
export function paramKey(name: string): Bytes | undefined {
  const text = route.value.params.get(name);
  if (text === null) return undefined;
  try {
    return unescape(text);
  } catch {
    return undefined;
  }
}
