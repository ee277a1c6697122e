// Keys and values are bytes. Here they are strings with one character a byte: they compare and hash as such, and V8 keeps them in as many bytes.
export type Bytes = string;

export const fromBase64 = (text: string | undefined): Bytes => (text ? atob(text) : '');
export const toBase64 = (bytes: Bytes): string => btoa(bytes);

const encoder = new TextEncoder();
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function fromText(text: string): Bytes {
  return fromArray(encoder.encode(text));
}

/** The text that the bytes are in UTF-8; undefined where they are none. */
export function toText(bytes: Bytes): string | undefined {
  try {
    return strict.decode(toArray(bytes));
  } catch {
    return undefined;
  }
}

export function toArray(bytes: Bytes): Uint8Array<ArrayBuffer> {
  const array = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) array[i] = bytes.charCodeAt(i);
  return array;
}

export function fromArray(array: Uint8Array): Bytes {
  let bytes = '';
  for (let i = 0; i < array.length; i += 8192) bytes += String.fromCharCode(...array.subarray(i, i + 8192));
  return bytes;
}

/** The end of the range of all keys that begin with prefix, as etcd's Range wants it: "\0" where there is none. */
export function prefixEnd(prefix: Bytes): Bytes {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const last = prefix.charCodeAt(i);
    if (last < 255) return prefix.slice(0, i) + String.fromCharCode(last + 1);
  }
  return '\0';
}

/** Key and end of the range of a prefix; of an empty one, of all keys. */
export const prefixRange = (prefix: Bytes): { key: Bytes; rangeEnd: Bytes } => ({ key: prefix || '\0', rangeEnd: prefixEnd(prefix) });
