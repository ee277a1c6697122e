import { type Bytes, fromBase64, prefixRange, toBase64 } from '../bytes/bytes';
import { escape } from '../bytes/escape';

/** What a permission is of, in words: one key, what begins with a prefix, or a range. */
export function rangeWords(key64: string | undefined, end64: string | undefined): string {
  const [key, end] = [fromBase64(key64), fromBase64(end64)];
  if (!end) return escape(key);
  if (end === '\0') return key === '\0' || !key ? 'all keys' : `all keys from ${escape(key)} on`;
  return prefixRange(key).rangeEnd === end ? `${escape(key)}…` : `${escape(key)} to before ${escape(end)}`;
}

/** Key and end of one key, or of a prefix; of an empty one, of all keys. */
export function rangeOf(key: Bytes, prefix: boolean): { key: string; rangeEnd: string } {
  if (!prefix) return { key: toBase64(key), rangeEnd: '' };
  const range = prefixRange(key);
  return { key: toBase64(range.key), rangeEnd: toBase64(range.rangeEnd) };
}
