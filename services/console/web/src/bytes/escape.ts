import { type Bytes, fromText, toText } from './bytes';

// What is no character that can be seen, of several bytes: controls, marks of direction, ends of lines, what is not assigned.
const unseen = /[\p{C}\p{Zl}\p{Zp}]/u;
// Runs of ASCII that can be seen, runs of longer UTF-8, and single bytes.
const parts =
  /[\x20-\x7e]+|(?:[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})+|[^]/g;
const short: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const hex = (bytes: Bytes) => bytes.replace(/[^]/g, (c) => '\\x' + c.charCodeAt(0).toString(16).padStart(2, '0'));

/** Writes bytes so that each can be seen and read back by unescape: UTF-8 as it is, a backslash doubled, the rest as \n, \r, \t or \xNN. */
export function escape(bytes: Bytes, keepLines = false): string {
  return bytes.replace(parts, (part) => {
    const first = part.charCodeAt(0);
    if (first >= 0x20 && first < 0x7f) return part.replaceAll('\\', '\\\\');
    if (part.length > 1) return [...toText(part)!].map((c) => (unseen.test(c) ? hex(fromText(c)) : c)).join('');
    return keepLines && part === '\n' ? part : (short[part] ?? hex(part));
  });
}

/** Reads what escape has written. Throws an Error that says what is wrong. */
export function unescape(text: string): Bytes {
  return text
    .split(/(\\x[0-9a-fA-F]{2}|\\[^])/)
    .map((part, i) => {
      if (i % 2 === 0) {
        if (part.endsWith('\\')) throw new Error('A backslash at the end stands for nothing: write \\\\ for one.');
        return fromText(part);
      }
      switch (part[1]) {
        case '\\': return '\\';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case 'x': if (part.length === 4) return String.fromCharCode(parseInt(part.slice(2), 16));
      }
      throw new Error(`${part} stands for nothing: write \\\\ for a backslash, \\xNN for a byte.`);
    })
    .join('');
}
