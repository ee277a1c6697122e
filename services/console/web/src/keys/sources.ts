import { type Bytes, fromBase64, toBase64 } from '../bytes/bytes';
import { call, consoleService, inspectService } from '../wire/call';
import type { ChildrenResponse, SearchResponse } from '../wire/types';
import type { Source } from './tree';

/** The children of a prefix, folded at a separator; without one all keys below it. */
export const children = (separator: Bytes): Source => async (prefix, after, limit, revision) => {
  const answer = await call<ChildrenResponse>(`${inspectService}/Children`, {
    prefix: toBase64(prefix), delimiter: toBase64(separator), after: toBase64(after), limit: String(limit), revision, count: true,
  });
  const rows = (answer.children ?? []).map((child) => ({
    name: fromBase64(child.name), folded: !!child.folded, keys: Number(child.keys ?? 0), atLeast: !!child.keysAtLeast, lease: !!child.lease,
  }));
  return { rows, more: !!answer.more, revision: answer.revision ?? '0' };
};

/** Keys with a text in their names. */
export const containing = (text: Bytes, ignoreCase: boolean): Source => async (prefix, after, limit, revision) => {
  const answer = await call<SearchResponse>(`${consoleService}/Search`, {
    prefix: toBase64(prefix), contains: toBase64(text), ignoreCase, after: toBase64(after), limit: String(limit), revision,
  });
  const rows = (answer.keys ?? []).map((key) => ({ name: fromBase64(key.key), folded: false, keys: 1, atLeast: false, lease: !!key.lease }));
  return { rows, more: !!answer.more, revision: answer.revision ?? '0', next: fromBase64(answer.nextAfter) };
};
