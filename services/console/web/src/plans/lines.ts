import { type Bytes, fromBase64, fromText, prefixRange, toBase64, toText } from '../bytes/bytes';
import { call } from '../wire/call';
import type { RangeResponse } from '../wire/types';

// JSON lines, as "quoratectl export" writes and "quoratectl import" reads them: what is UTF-8 stands as it is, the rest in base64.
interface Line { quorate_export?: number; end?: boolean; key?: string; key_base64?: string; value?: string; value_base64?: string }

const pageKeys = 500;
const named = (name: 'key' | 'value', bytes: Bytes): object => { const text = toText(bytes); return text === undefined ? { [`${name}_base64`]: toBase64(bytes) } : { [name]: text }; };

/** Writes all keys below a prefix as they are at one revision. told hears how many there are so far. */
export async function exportLines(prefix: Bytes, signal: AbortSignal, told: (n: number, of: number) => void): Promise<{ file: Blob; revision: string; keys: number }> {
  const { key, rangeEnd } = prefixRange(prefix);
  const parts: Blob[] = []; // each is the browser's to hold, on disk where it likes
  let from = key;
  let revision = '0';
  let keys = 0;
  for (;;) {
    const page = await call<RangeResponse>('etcdserverpb.KV/Range', { key: toBase64(from), rangeEnd: toBase64(rangeEnd), limit: String(pageKeys), revision }, signal);
    if (revision === '0') {
      revision = page.header?.revision ?? '0';
      parts.push(new Blob([JSON.stringify({ quorate_export: 1, revision: Number(revision), prefix: toBase64(prefix) || undefined, keys: Number(page.count ?? 0) || undefined }) + '\n']));
    }
    const kvs = page.kvs ?? [];
    parts.push(new Blob(kvs.map((kv) => JSON.stringify({
      ...named('key', fromBase64(kv.key)), ...named('value', fromBase64(kv.value)),
      create_revision: Number(kv.createRevision), mod_revision: Number(kv.modRevision), version: Number(kv.version),
    }).replace(/\}$/, kv.lease ? `,"lease":${kv.lease}}\n` : '}\n'))));
    keys += kvs.length;
    told(keys, keys + Number(page.count ?? 0) - kvs.length);
    if (!page.more) break;
    from = fromBase64(kvs.at(-1)!.key) + '\0';
  }
  parts.push(new Blob([JSON.stringify({ keys: keys || undefined, end: true }) + '\n']));
  return { file: new Blob(parts, { type: 'application/jsonl' }), revision, keys };
}

/** Reads lines. Throws an Error that names the line. */
export function readLines(text: string): { key: Bytes; value: Bytes }[] {
  const entries = new Map<Bytes, Bytes>();
  text.split('\n').forEach((raw, i) => {
    if (!raw.trim()) return;
    const wrong = (what: string) => new Error(`Line ${i + 1}: ${what}`);
    let line: Line;
    try {
      line = JSON.parse(raw) as Line;
    } catch {
      throw wrong('this is no JSON. Each line is an object, such as {"key":"/greeting","value":"hello"}');
    }
    if (line === null || typeof line !== 'object') throw wrong('this is no object, such as {"key":"/greeting","value":"hello"}');
    if (line.quorate_export || line.end) return;
    const bytes = (name: 'key' | 'value') => {
      const [plain, base64] = [line[name], line[`${name}_base64`]];
      if (typeof plain === 'string') return fromText(plain);
      if (typeof base64 !== 'string') return undefined;
      try {
        return fromBase64(base64);
      } catch {
        throw wrong(`${name}_base64 is no base64`);
      }
    };
    const key = bytes('key');
    if (!key) throw wrong('there is no key, as "key" or "key_base64"');
    if (entries.has(key)) throw wrong('this key was in a line before');
    entries.set(key, bytes('value') ?? '');
  });
  return [...entries].map(([key, value]) => ({ key, value }));
}
