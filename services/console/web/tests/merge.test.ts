// Two changes of one text become one where they do not touch, and places to choose at where they do.
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Choice, isPlace, join, take } from '../src/bytes/merge';

const places = (base: string | undefined, theirs: string, mine: string) => take(base, theirs, mine)!.filter(isPlace);
/** What is made of it where nobody is asked; undefined where somebody has to be. */
const merged = (base: string, theirs: string, mine: string) => {
  const of = places(base, theirs, mine).map((place) => place.of);
  return of.includes(undefined) ? undefined : join(take(base, theirs, mine)!, of);
};

test('changes apart from each other are both there', () => {
  assert.equal(merged('a\nb\nc\nd\n', 'A\nb\nc\nd\n', 'a\nb\nc\nD\n'), 'A\nb\nc\nD\n');
  assert.equal(merged('a\nb\nc\n', 'x\na\nb\nc\n', 'a\nb\n'), 'x\na\nb\n');
  assert.equal(merged('a\nb\nc', 'a\nb\nc\nd', 'z\nb\nc'), 'z\nb\nc\nd');
});

test('changes of lines beside each other are both there, what is put in between them is asked about', () => {
  assert.equal(merged('a\nb\nc\n', 'A\nb\nc\n', 'a\nB\nc\n'), 'A\nB\nc\n');
  assert.equal(merged('a\nb\n', 'A\nb\n', 'a\nx\nb\n'), undefined);
  assert.equal(merged('a\nb\n', 'a\nx\nb\n', 'a\ny\nb\n'), undefined);
});

test('the same change is taken once, and changes of one place are not guessed', () => {
  assert.equal(merged('a\nb\n', 'a\nB\n', 'a\nB\n'), 'a\nB\n');
  assert.equal(merged('a\nb\n', 'a\nX\n', 'a\nY\n'), undefined);
  assert.equal(merged('one', 'two', 'three'), undefined);
});

test('of one place each can be taken, both, or what was there', () => {
  const choose = (choice: Choice | undefined) => join(take('a\nb\nc', 'a\nX\nc', 'a\nY\nc')!, [choice]);
  assert.deepEqual((['theirs', 'mine', 'both', 'base', undefined] as const).map(choose), ['a\nX\nc', 'a\nY\nc', 'a\nX\nY\nc', 'a\nb\nc', 'a\nX\nc']);
  assert.deepEqual(places('a\nb\nc', 'a\nX\nc', 'a\nY\nc'), [{ at: 1, base: ['b\n'], theirs: ['X\n'], mine: ['Y\n'], of: undefined }]);
  assert.equal(join(take('one', 'two', 'three')!, ['both']), 'two\nthree');
  assert.equal(join(take('a\nb\nc\nd\n', 'a\nb\nc\nD\n', 'a\nB\n')!, ['mine']), 'a\nB\n');
});

test('of two that were made where nothing was, what both have is no question', () => {
  assert.deepEqual(places(undefined, 'a\nX\nc\n', 'a\nY\nc\n'), [{ at: 1, base: [], theirs: ['X\n'], mine: ['Y\n'], of: undefined }]);
  assert.equal(join(take(undefined, 'a\nc\n', 'a\nb\nc\n')!, ['mine']), 'a\nb\nc\n');
});
