import { type Bytes, fromBase64, toBase64 } from '../bytes/bytes';
import { call } from '../wire/call';
import type { KeyValue, RangeResponse, TxnResponse } from '../wire/types';

/** Held is a key as it was read. */
export interface Held { key: Bytes; value: Bytes; create: string; mod: string; version: string; lease: string }

/** What a key is attached to when it is saved: what it is attached to now, nothing, a new lease of so many seconds, or a lease that is there. */
export type Attach = { to: 'same' } | { to: 'none' } | { to: 'ttl'; seconds: number } | { to: 'lease'; id: string };

/** Saved says by which revision a change is there; Theirs what was found instead of what was shown, undefined where nothing was. */
export interface Saved { revision: string }
export interface Theirs { theirs: Held | undefined }
export const isSaved = (outcome: Saved | Theirs): outcome is Saved => 'revision' in outcome;

export const held = (kv: KeyValue): Held => ({
  key: fromBase64(kv.key), value: fromBase64(kv.value), create: kv.createRevision ?? '0', mod: kv.modRevision ?? '0', version: kv.version ?? '0', lease: kv.lease ?? '0',
});

/** Reads a key, and says at which revision of the store. */
export async function readAt(key: Bytes, signal?: AbortSignal): Promise<{ held: Held | undefined; revision: string }> {
  const answer = await call<RangeResponse>('etcdserverpb.KV/Range', { key: toBase64(key) }, signal);
  return { held: answer.kvs?.[0] && held(answer.kvs[0]), revision: answer.header?.revision ?? '0' };
}
export const read = async (key: Bytes): Promise<Held | undefined> => (await readAt(key)).held;

const is = (key: Bytes, mod: string) => ({ key: toBase64(key), target: 'MOD', result: 'EQUAL', modRevision: mod });

async function change(key: Bytes, compare: object[], success: object[]): Promise<Saved | Theirs> {
  const answer = await call<TxnResponse>('etcdserverpb.KV/Txn', { compare, success, failure: [{ requestRange: { key: toBase64(key) } }] });
  if (answer.succeeded) return { revision: answer.header?.revision ?? '0' };
  const found = answer.responses?.[0]?.responseRange?.kvs?.[0];
  return { theirs: found && held(found) };
}

/** Puts a key if it is still what it was by revision mod, "0" where it was not there. */
export async function save(key: Bytes, value: Bytes, mod: string, attach: Attach): Promise<Saved | Theirs> {
  const put: Record<string, unknown> = { key: toBase64(key), value: toBase64(value) };
  let granted: string | undefined;
  if (attach.to === 'same' && mod !== '0') put.ignoreLease = true;
  if (attach.to === 'lease') put.lease = attach.id;
  if (attach.to === 'ttl') {
    granted = (await call<{ ID?: string; id?: string }>('etcdserverpb.Lease/LeaseGrant', { TTL: String(attach.seconds) })).ID;
    put.lease = granted;
  }
  let saved = false;
  try {
    const outcome = await change(key, [is(key, mod)], [{ requestPut: put }]);
    saved = isSaved(outcome);
    return outcome;
  } finally {
    if (granted && !saved) void call('etcdserverpb.Lease/LeaseRevoke', { ID: granted }).catch(() => {}); // else it ends by itself
  }
}

export const remove = (shown: Held): Promise<Saved | Theirs> =>
  change(shown.key, [is(shown.key, shown.mod)], [{ requestDeleteRange: { key: toBase64(shown.key) } }]);

/** Gives a key another name, if it is still what was shown and the name is free. theirs is the key that is in the way. */
export async function rename(shown: Held, name: Bytes): Promise<Saved | Theirs> {
  const outcome = await change(name, [is(shown.key, shown.mod), is(name, '0')], [
    { requestPut: { key: toBase64(name), value: toBase64(shown.value), lease: shown.lease } }, { requestDeleteRange: { key: toBase64(shown.key) } },
  ]);
  return isSaved(outcome) || outcome.theirs ? outcome : { theirs: await read(shown.key) };
}
