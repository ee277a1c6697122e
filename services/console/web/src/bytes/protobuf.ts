import { type Bytes, fromText, toText } from './bytes';

// Protobuf without its schema, as text that can be edited and turned back into the same bytes:
//
//     1 {            a message
//       2: "text"    printable UTF-8
//       3: 7         a varint
//       4: 7 i32     four bytes, 5: 7 i64 eight
//       6: hex"00ff"
//     }

/** Says what fields are called, where that is known: the name of a field, and the names of those below it. */
export interface Names { [field: number]: { name: string; below?: Names } }

interface Field { number: number; wire: number; value: bigint | Bytes }

function varint(bytes: Bytes, at: number): [bigint, number] | undefined {
  let value = 0n;
  for (let shift = 0n; at < bytes.length && shift < 70n; shift += 7n) {
    const byte = bytes.charCodeAt(at++);
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return value < 1n << 64n ? [value, at] : undefined;
  }
  return undefined;
}

function writeVarint(value: bigint): Bytes {
  let out = '';
  for (; value > 127n; value >>= 7n) out += String.fromCharCode(Number(value & 127n) | 128);
  return out + String.fromCharCode(Number(value));
}

function fixed(bytes: Bytes): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes.charCodeAt(i));
  return value;
}

function writeFixed(value: bigint, size: number): Bytes {
  let out = '';
  for (let i = 0; i < size; i++, value >>= 8n) out += String.fromCharCode(Number(value & 255n));
  return out;
}

function fieldsOf(bytes: Bytes): Field[] | undefined {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = varint(bytes, at);
    if (!tag || tag[0] >> 3n === 0n || tag[0] >> 32n) return undefined;
    at = tag[1];
    const wire = Number(tag[0] & 7n);
    let value: bigint | Bytes;
    let size = wire === 5 ? 4 : wire === 1 ? 8 : 0;
    if (wire === 0) {
      const read = varint(bytes, at);
      if (!read) return undefined;
      [value, at] = read;
    } else if (wire === 2) {
      const read = varint(bytes, at);
      if (!read || read[0] > BigInt(bytes.length)) return undefined;
      at = read[1];
      size = Number(read[0]);
      value = bytes.slice(at, at + size);
    } else if (size) value = fixed(bytes.slice(at, at + size));
    else return undefined;
    if (at + size > bytes.length) return undefined;
    at += size;
    fields.push({ number: Number(tag[0] >> 3n), wire, value });
  }
  return fields;
}

const asHex = (bytes: Bytes) => `hex"${bytes.replace(/[^]/g, (c) => c.charCodeAt(0).toString(16).padStart(2, '0'))}"`;
const printable = (bytes: Bytes) => { const text = toText(bytes); return text !== undefined && !/[\p{Cc}\p{Cs}]/u.test(text.replace(/[\n\t]/g, '')) ? text : undefined; };

function write(fields: Field[], names: Names | undefined, indent: string): string {
  return fields.map(({ number, wire, value }) => {
    const known = names?.[number];
    const note = known ? `  # ${known.name}` : '';
    const one = (text: string) => `${indent}${number}: ${text}${note}\n`;
    if (typeof value === 'bigint') return one(`${value}${wire === 5 ? ' i32' : wire === 1 ? ' i64' : ''}`);
    const inner = known?.below ? fieldsOf(value) : undefined;
    const text = inner ? undefined : printable(value);
    if (text !== undefined) return one(JSON.stringify(text));
    const below = inner ?? fieldsOf(value);
    if (below) return `${indent}${number} {${note}\n${write(below, known?.below, indent + '  ')}${indent}}\n`;
    return one(asHex(value));
  }).join('');
}

/** The text of a message; undefined where it is none, or where the text would not give the same bytes again. */
export function protobufText(bytes: Bytes, names?: Names): string | undefined {
  const fields = fieldsOf(bytes);
  if (!fields) return undefined;
  const text = write(fields, names, '');
  try {
    return protobufBytes(text) === bytes ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Reads what protobufText has written. Throws an Error that names the line. */
export function protobufBytes(text: string): Bytes {
  const open: { number: number; bytes: Bytes }[] = [{ number: 0, bytes: '' }];
  const add = (number: number, wire: number, bytes: Bytes) => { open.at(-1)!.bytes += writeVarint((BigInt(number) << 3n) | BigInt(wire)) + bytes; };
  text.split('\n').forEach((line, i) => {
    const wrong = (what: string) => new Error(`Line ${i + 1}: ${what}`);
    const read = /^\s*(?:#.*)?$|^\s*(?:(\d+)\s*(?:\{|:\s*(?:("(?:[^"\\]|\\.)*")|hex"([0-9a-fA-F]*)"|(\d+)(?: (i32|i64))?))|(\}))\s*(?:#.*)?$/.exec(line);
    if (!read) throw wrong('expected "2 {", "}", or "2: " and a text in quotes, a number, or hex"00ff"');
    const [, digits, quoted, hex, value, size, close] = read;
    if (close) {
      if (open.length === 1) throw wrong('a } without its {');
      const { number, bytes } = open.pop()!;
      add(number, 2, writeVarint(BigInt(bytes.length)) + bytes);
      return;
    }
    if (digits === undefined) return;
    const number = Number(digits);
    if (!number || number >= 1 << 29) throw wrong(`${digits} is no field's number`);
    if (value !== undefined) {
      const bits = size === 'i32' ? 32n : 64n;
      if (BigInt(value) >> bits) throw wrong(`${value} is too large`);
      add(number, size === 'i32' ? 5 : size === 'i64' ? 1 : 0, size ? writeFixed(BigInt(value), size === 'i32' ? 4 : 8) : writeVarint(BigInt(value)));
    } else if (quoted !== undefined || hex !== undefined) {
      if (hex !== undefined && hex.length % 2) throw wrong('a byte has two hex digits');
      let bytes: Bytes;
      try {
        bytes = quoted !== undefined ? fromText(JSON.parse(quoted)) : (hex!.match(/../g) ?? []).map((pair) => String.fromCharCode(parseInt(pair, 16))).join('');
      } catch {
        throw wrong('the text in quotes is not written as JSON wants it');
      }
      add(number, 2, writeVarint(BigInt(bytes.length)) + bytes);
    } else open.push({ number, bytes: '' });
  });
  if (open.length > 1) throw new Error(`The { of field ${open.at(-1)!.number} is not closed.`);
  return open[0]!.bytes;
}
