// Two changes of one text become one where they do not touch.
import assert from 'node:assert/strict';
import test from 'node:test';
import { merge } from '../src/bytes/merge';

test('changes apart from each other are both there', () => {
  assert.equal(merge('a\nb\nc\nd\n', 'A\nb\nc\nd\n', 'a\nb\nc\nD\n'), 'A\nb\nc\nD\n');
  assert.equal(merge('a\nb\nc\n', 'x\na\nb\nc\n', 'a\nb\n'), 'x\na\nb\n');
  assert.equal(merge('a\nb\nc', 'a\nb\nc\nd', 'z\nb\nc'), 'z\nb\nc\nd');
});

test('the same change is taken once, and changes of one place are not guessed', () => {
  assert.equal(merge('a\nb\n', 'a\nB\n', 'a\nB\n'), 'a\nB\n');
  assert.equal(merge('a\nb\n', 'a\nX\n', 'a\nY\n'), undefined);
  assert.equal(merge('one', 'two', 'three'), undefined);
});
