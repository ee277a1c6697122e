// JSON is laid out token by token, so that numbers, escapes and the order of fields stay as they are: JSON.parse and stringify keep none of them.
const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

export function isJSON(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Without any space. text must be JSON. */
export const compact = (text: string): string => (text.match(tokens) ?? []).join('');

/** A field a line. text must be JSON. */
export function pretty(text: string): string {
  let depth = 0;
  let out = '';
  const line = () => '\n' + '  '.repeat(depth);
  const all = text.match(tokens) ?? [];
  all.forEach((token, i) => {
    switch (token) {
      case '{': case '[':
        out += token;
        if (all[i + 1] !== '}' && all[i + 1] !== ']') { depth++; out += line(); }
        break;
      case '}': case ']':
        if (all[i - 1] !== '{' && all[i - 1] !== '[') { depth--; out += line(); }
        out += token;
        break;
      case ',': out += ',' + line(); break;
      case ':': out += ': '; break;
      default: out += token;
    }
  });
  return out;
}
