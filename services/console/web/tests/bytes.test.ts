// Bytes come back as they were from every way to show them.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fromBase64, fromText, prefixEnd, toBase64 } from '../src/bytes/bytes';
import { escape, unescape } from '../src/bytes/escape';
import { compact, pretty } from '../src/bytes/json';
import { viewsOf } from '../src/bytes/views';

const every = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
const pod = 'k8s\0' + '\n\t\n\x02v1\x12\x03Pod' + '\x12\x11\n\x07\n\x05nginx\x88\x01\x05\x15\x01\0\0\0' + '\x1a\0"\0';
const samples = [
  '', 'a', 'hello\n', 'a\r\nb', 'tab\there', every, 'back\\slash', fromText('Zürich ☃ 😀'), fromText('\ufeffbom'), fromText('\u2028'), '\xff\xfe', 'x\0',
  '{"a":1.0,"b":[],"c":{},"d":"\\u0041","a":12345678901234567890}', '{\n  "a" : 1\n}\n', '[1, 2]', '"text"', '12', pod, 'k8s\0broken\xff', 'k8s\0',
];

test('what a view shows is read back to the same bytes', () => {
  for (const bytes of samples) for (const view of viewsOf(bytes)) assert.equal(view.parse(view.show(bytes)), bytes, `${view.id} of ${JSON.stringify(bytes)}`);
});

test('an escaped key is read back, and shows nothing that cannot be seen', () => {
  for (const bytes of samples) {
    assert.equal(unescape(escape(bytes)), bytes);
    assert.doesNotMatch(escape(bytes), /[\x00-\x1f\x7f\u2028\ufeff]/);
  }
  assert.throws(() => unescape('a\\q'), /stands for nothing/);
  assert.throws(() => unescape('a\\'), /stands for nothing/);
});

test('the views are those that a value has', () => {
  const ids = (bytes: string) => viewsOf(bytes).map((view) => view.id).join();
  assert.equal(ids('{"a":1}'), 'json,text,hex');
  assert.equal(ids('hello'), 'text,hex');
  assert.equal(ids('\xff\xfe\x00'), 'hex,text');
  assert.equal(ids(pod), 'kubernetes,text,hex');
});

test('the Kubernetes view names what is known', () => {
  const text = viewsOf(pod)[0]!.show(pod);
  assert.match(text, /2: "Pod" {2}# kind/);
  assert.match(text, /# metadata/);
  assert.equal(viewsOf(pod)[0]!.parse(text.replace('"Pod"', '"Node"')), pod.replace('\t\n\x02v1\x12\x03Pod', '\n\n\x02v1\x12\x04Node'));
});

test('JSON keeps its tokens', () => {
  const text = '{"n":1.00,"big":12345678901234567890,"s":"a{b}, \\"c\\"","e":{},"l":[1,[]]}';
  assert.equal(compact(pretty(text)), text);
  assert.match(pretty(text), /"n": 1.00,\n/);
});

test('base64 and prefixes', () => {
  assert.equal(fromBase64(toBase64(every)), every);
  assert.equal(prefixEnd('a'), 'b');
  assert.equal(prefixEnd('a\xff'), 'b');
  assert.equal(prefixEnd('\xff'), '\0');
  assert.equal(prefixEnd(''), '\0');
});
