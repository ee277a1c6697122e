import { type Bytes, fromText, toText } from './bytes';
import { escape, unescape } from './escape';
import { compact, isJSON, pretty } from './json';
import { type Names, protobufBytes, protobufText } from './protobuf';

/** View is a way to show a value, and to read back what was made of it. What is not changed gives the same bytes. */
export interface View {
  id: 'text' | 'json' | 'hex' | 'kubernetes';
  label: string;
  /** A sentence for who edits; empty where none is needed. */
  note: string;
  show(bytes: Bytes): string;
  /** Throws an Error that says what is wrong. */
  parse(text: string): Bytes;
}

const magic = 'k8s\0';
const object: Names = {
  1: { name: 'metadata', below: { 1: { name: 'name' }, 2: { name: 'generateName' }, 3: { name: 'namespace' }, 5: { name: 'uid' }, 6: { name: 'resourceVersion' },
    7: { name: 'generation' }, 8: { name: 'creationTimestamp' }, 11: { name: 'labels' }, 12: { name: 'annotations' }, 13: { name: 'ownerReferences' },
    14: { name: 'finalizers' }, 17: { name: 'managedFields' } } },
};
const unknown: Names = {
  1: { name: 'type', below: { 1: { name: 'apiVersion' }, 2: { name: 'kind' } } }, 2: { name: 'object', below: object }, 3: { name: 'contentEncoding' }, 4: { name: 'contentType' },
};

const plain: View = { id: 'text', label: 'Text', note: '', show: (bytes) => toText(bytes) ?? escape(bytes, true), parse: fromText };
const escaped: View = {
  id: 'text', label: 'Text', note: 'Has bytes that are no text: \\xNN is a byte, \\r a carriage return, \\\\ a backslash.', show: (bytes) => escape(bytes, true), parse: unescape,
};
const hex: View = {
  id: 'hex', label: 'Hex', note: 'Two digits a byte; space between them does not matter.',
  show: (bytes) => (bytes.match(/[^]{1,16}/g) ?? []).map((row) => [...row].map((c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join(' ')).join('\n'),
  parse: (text) => {
    const digits = text.replace(/\s+/g, '');
    const wrong = /[^0-9a-fA-F]/.exec(digits);
    if (wrong) throw new Error(`${wrong[0]} is no hex digit.`);
    if (digits.length % 2) throw new Error('A digit is missing: a byte has two.');
    return digits.replace(/../g, (pair) => String.fromCharCode(parseInt(pair, 16)));
  },
};
const kubernetes: View = {
  id: 'kubernetes', label: 'Kubernetes', note: 'Protobuf without its schema: the numbers are of fields, what follows # is not saved.',
  show: (bytes) => protobufText(bytes.slice(magic.length), unknown) ?? '', parse: (text) => magic + protobufBytes(text),
};

function json(indented: boolean): View {
  return {
    id: 'json', label: 'JSON', note: indented ? '' : 'Saved without space, as it was.', show: (bytes) => (indented ? toText(bytes)! : pretty(toText(bytes)!)),
    parse: (text) => {
      try {
        JSON.parse(text);
      } catch (wrong) {
        throw new Error(`This is no JSON: ${(wrong as Error).message}`);
      }
      return fromText(indented ? text : compact(text));
    },
  };
}

/** Text that survives a text field: it has no carriage returns, and no controls that nobody would see. */
function isPlain(bytes: Bytes): boolean {
  const text = toText(bytes);
  return text !== undefined && !/[^\P{Cc}\n\t]|\u2028|\u2029/u.test(text);
}

/** The views that a value has, the one to begin with first. */
export function viewsOf(bytes: Bytes): View[] {
  const views: View[] = [];
  const text = isPlain(bytes) ? toText(bytes)! : undefined;
  if (bytes.startsWith(magic) && protobufText(bytes.slice(magic.length), unknown) !== undefined) views.push(kubernetes);
  if (text !== undefined && /^\s*[{["]/.test(text) && isJSON(text)) views.push(json(compact(text) !== text));
  if (text === undefined && !views.length && unreadable(bytes)) return [hex, escaped];
  return [...views, text === undefined ? escaped : plain, hex];
}

const unreadable = (bytes: Bytes) => (bytes.slice(0, 4096).match(/[^\x20-\x7e\n\r\t]/g)?.length ?? 0) > Math.min(bytes.length, 4096) / 4 && toText(bytes) === undefined;

/** The view to read a value in: the one that was asked for, where the value has it. */
export const viewOf = (bytes: Bytes, id?: View['id']): View => { const views = viewsOf(bytes); return views.find((view) => view.id === id) ?? views[0]!; };
