import { type Bytes, fromBase64, toBase64 } from '../bytes/bytes';
import { call, consoleService } from '../wire/call';
import type { ApplyResponse, Change, Plan, PreviewResponse } from '../wire/types';

/** So many changes are kept to be shown; the rest is counted. */
const shownMax = 5000;

/** Preview is what plans would do at one revision. */
export interface Preview {
  plans: Plan[];
  revision: string;
  creates: number;
  updates: number;
  deletes: number;
  lookedAt: number;
  /** Keys that are attached to another lease then, that are not attached any more, and of those the ones whose lease has ended. */
  attached: number;
  detached: number;
  leasesGone: number;
  /** The first changes, and which plan each is of. */
  changes: { change: Change; plan: number; before: string }[];
}
export const total = (p: Preview): number => p.creates + p.updates + p.deletes;

/** Previews plans to their end; told hears how far it has got. */
export async function preview(plans: Plan[], signal: AbortSignal, told: (p: Preview) => void): Promise<Preview> {
  const p: Preview = { plans, revision: '0', creates: 0, updates: 0, deletes: 0, lookedAt: 0, attached: 0, detached: 0, leasesGone: 0, changes: [] };
  for (let i = 0; i < plans.length; i++) {
    let after = '';
    for (;;) {
      const answer = await call<PreviewResponse>(`${consoleService}/Preview`, { plan: plans[i], revision: p.revision, after, limit: '1000' }, signal);
      if (p.revision === '0') p.revision = answer.revision ?? '0';
      p.lookedAt += Number(answer.lookedAt ?? 0);
      let before = after;
      for (const change of answer.changes ?? []) {
        if (change.kind === 'KIND_CREATE') p.creates++;
        else if (change.kind === 'KIND_DELETE') p.deletes++;
        else p.updates++;
        if (change.leaseGone) p.leasesGone++;
        if (leaseOf(change.leaseAfter) && leaseOf(change.leaseAfter) !== leaseOf(change.leaseBefore)) p.attached++;
        if (change.kind !== 'KIND_DELETE' && !leaseOf(change.leaseAfter) && (leaseOf(change.leaseBefore) || change.leaseGone)) p.detached++;
        if (p.changes.length < shownMax) p.changes.push({ change, plan: i, before });
        before = change.key ?? '';
      }
      told({ ...p });
      if (!answer.more) break;
      after = answer.nextAfter ?? '';
    }
  }
  return p;
}

/** The lease of a key, undefined for none. */
export const leaseOf = (lease: string | undefined): string | undefined => (lease && lease !== '0' ? lease : undefined);

/** The values of one change: before and after. */
export async function valuesOf(p: Preview, at: number, signal: AbortSignal): Promise<{ before: Bytes | undefined; after: Bytes | undefined; leftOut: boolean }> {
  const { plan, before, change } = p.changes[at]!;
  const answer = await call<PreviewResponse>(`${consoleService}/Preview`, { plan: p.plans[plan], revision: p.revision, after: before, limit: '1', withValues: true }, signal);
  const one = answer.changes?.[0];
  if (one?.key !== change.key) throw new Error('It is not a part of the plan any more: preview again.');
  return {
    before: one?.kind === 'KIND_CREATE' ? undefined : fromBase64(one?.valueBefore), after: one?.kind === 'KIND_DELETE' ? undefined : fromBase64(one?.valueAfter),
    leftOut: !!one?.valuesLeftOut,
  };
}

/** Outcome is how far plans have been carried out. */
export interface Outcome { applied: number; conflicts: Bytes[]; failed: string; done: boolean; plan: number; after: string; revision: string }
export const begin = (): Outcome => ({ applied: 0, conflicts: [], failed: '', done: false, plan: 0, after: '', revision: '0' });

/** Carries out what was previewed, from where it has got; what fails is told in the outcome, and it can go on from there. */
export async function apply(p: Preview, from: Outcome, signal: AbortSignal, told: (o: Outcome) => void): Promise<void> {
  const o = { ...from, failed: '' };
  while (o.plan < p.plans.length) {
    const answer = await call<ApplyResponse>(`${consoleService}/Apply`, { plan: p.plans[o.plan], revision: p.revision, after: o.after }, signal);
    o.applied += Number(answer.applied ?? 0);
    o.conflicts = [...o.conflicts, ...(answer.conflicts ?? []).map((c) => fromBase64(c.wanted?.key))];
    if (answer.revision && answer.revision !== '0') o.revision = answer.revision;
    if (answer.nextAfter !== undefined) o.after = answer.nextAfter;
    o.failed = answer.failed ?? '';
    if (!answer.more && !o.failed) { o.plan++; o.after = ''; }
    told({ ...o });
    if (o.failed) return;
  }
  told({ ...o, done: true });
}

/** Makes plans of entries, each as large as the server takes. */
export function importPlans(entries: { key: Bytes; value: Bytes }[], onlyNew: boolean): Plan[] {
  const sorted = [...entries].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const plans: Plan[] = [];
  let size = Infinity;
  for (const { key, value } of sorted) {
    const current = plans.at(-1)?.import;
    if (!current || size + key.length + value.length > 900_000 || current.entries.length >= 1000) {
      plans.push({ import: { entries: [], onlyNew } });
      size = 0;
    }
    size += key.length + value.length;
    plans.at(-1)!.import!.entries.push({ key: toBase64(key), value: toBase64(value) });
  }
  return plans;
}
