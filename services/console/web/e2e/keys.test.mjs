// Keys are made, found, read, changed, renamed and deleted by a person with a keyboard, and never overwritten unseen.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, Browser, fits, shot } from './browser.mjs';
import { b64, Server } from './server.mjs';

let server, browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), Browser.start()]); });
after(async () => { await browser?.stop(); await server?.stop(); });

test('an empty store says what to type, and a key is made without the mouse', async () => {
  const page = await browser.open(server);
  await page.getByText('There are no keys yet').waitFor();
  await shot(page, 'keys-empty');
  await page.keyboard.press('n');
  await page.waitForFunction(() => document.activeElement?.labels?.[0]?.textContent === 'Key');
  await page.keyboard.type('/config/first');
  await page.getByText('Value', { exact: true }).click(); // its label leads to it
  await page.keyboard.type('one\ntwo\n');
  await page.getByRole('button', { name: 'Review and make' }).click();
  await page.getByRole('heading', { name: 'Make this key?' }).waitFor();
  await page.keyboard.press('Control+Enter');
  await page.getByText('Made at revision').waitFor();
  await page.getByRole('treeitem', { name: /first/ }).waitFor();
  assert.equal(await server.get('/config/first'), 'one\ntwo\n');
  await page.close();
  browser.check();
});

test('a change is shown before it is saved, with a lease when that is wanted', async () => {
  await server.put('/config/limits', '{"cpu":1.0,"memory":"256Mi"}');
  const page = await browser.open(server, '#/keys?key=/config/limits');
  await page.getByText('"cpu": 1.0').waitFor();
  await page.keyboard.press('e');
  const field = page.getByLabel('Value', { exact: true });
  await page.waitForFunction(() => document.activeElement?.labels?.[0]?.textContent === 'Value');
  await field.fill('{"cpu": 1.0, "memory": ');
  await page.getByText('This is no JSON').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Review and save' }).isDisabled());
  await field.fill('{\n  "cpu": 1.0,\n  "memory": "512Mi"\n}');
  await page.getByRole('button', { name: 'Review and save' }).click();
  const difference = page.getByLabel('Difference');
  assert.match(await difference.innerText(), /-\s*removed:\s*"memory": "256Mi"\s*\+\s*added:\s*"memory": "512Mi"/);
  await page.getByLabel('Lives').selectOption('ttl');
  await page.getByLabel('Seconds').fill('600');
  await shot(page, 'keys-review');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Saved at revision').waitFor();
  assert.equal(await server.get('/config/limits'), '{"cpu":1.0,"memory":"512Mi"}');
  const { kvs } = await server.call('etcdserverpb.KV/Range', { key: b64('/config/limits') });
  assert.ok(kvs[0].lease);
  await page.close();
  browser.check();
});

const result = (page) => page.getByLabel('Result');
const inDialog = (page, name) => page.getByRole('dialog').getByRole('button', { name, exact: true });
const edit = async (page, value) => {
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Value', { exact: true }).fill(value);
};
const review = async (page) => {
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
};

test('a conflict shows base, theirs and mine, and nothing is lost in it', async () => {
  await server.put('/config/shared', 'a\nb\nc\nd\n');
  const page = await browser.open(server, '#/keys?key=/config/shared');
  await edit(page, 'a\nb\nc\nmine\n');
  await server.put('/config/shared', 'theirs\nb\nc\nd\n');
  await review(page);
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Somebody has changed this key').waitFor();
  assert.equal(await server.get('/config/shared'), 'theirs\nb\nc\nd\n');
  const place = (n) => dialog.getByRole('region', { name: `Place ${n}` });
  for (const [n, side, text] of [[1, 'As it was', 'a'], [1, 'Theirs', 'theirs'], [1, 'Mine', 'a'], [2, 'As it was', 'd'], [2, 'Theirs', 'd'], [2, 'Mine', 'mine']]) {
    assert.equal(await place(n).getByRole('group', { name: side }).locator('pre').innerText(), text, `${side} at place ${n}`);
  }
  assert.equal(await result(page).inputValue(), 'theirs\nb\nc\nmine\n', 'what only one has changed is taken');
  await place(2).getByRole('radio', { name: 'Theirs' }).click();
  await page.getByText('This is what is there already').waitFor();
  assert.ok(await inDialog(page, 'Save the result').isDisabled());
  await place(2).getByRole('radio', { name: 'Mine' }).click();
  await inDialog(page, 'Save the result').click();
  await page.getByText('Saved at revision').waitFor();
  assert.equal(await server.get('/config/shared'), 'theirs\nb\nc\nmine\n');

  await edit(page, 'again\n');
  await server.delete('/config/shared');
  await review(page);
  await dialog.getByText('Somebody has deleted this key').waitFor();
  await shot(page, 'keys-conflict-deleted');
  await page.getByRole('button', { name: 'Make it again with mine' }).click();
  await page.getByText('Saved at revision').waitFor();
  assert.equal(await server.get('/config/shared'), 'again\n');
  await page.close();
  browser.check();
});

test('where both have changed the same, lines of each are taken and edited, and a save compares with theirs', async () => {
  await server.put('/config/both', JSON.stringify({ replicas: 3, image: 'app:1', region: 'zrh', on: true }));
  const page = await browser.open(server, '#/keys?key=/config/both');
  await edit(page, JSON.stringify({ replicas: 5, image: 'app:1', region: 'gva', on: true }, undefined, 2));
  await server.put('/config/both', JSON.stringify({ replicas: 4, image: 'app:1', region: 'zrh', on: false }));
  await review(page);
  const place = (n) => page.getByRole('region', { name: `Place ${n}` });
  await place(1).getByText('both have changed it').waitFor();
  assert.ok(await inDialog(page, 'Save the result').isDisabled(), 'a place is still to be decided');
  for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
    await page.setViewportSize({ width, height: width < 500 ? 844 : 800 });
    await page.emulateMedia({ colorScheme: scheme });
    await shot(page, `keys-conflict-${width}-${scheme}`);
    await accessible(page, `a conflict, ${width} wide, ${scheme}`);
    await fits(page, 'a conflict');
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await place(1).getByRole('radio', { name: 'Both' }).click();
  await page.getByText('This is no JSON').waitFor({ state: 'hidden' }); // the same name twice is JSON
  await page.getByRole('button', { name: 'Mine', exact: true }).click();
  assert.deepEqual(JSON.parse(await result(page).inputValue()), { replicas: 5, image: 'app:1', region: 'gva', on: true });
  await place(3).getByRole('radio', { name: 'Theirs' }).click();
  await result(page).fill((await result(page).inputValue()).replace('app:1', 'app:2'));
  await page.getByText('You have edited the result').waitFor();
  const third = JSON.stringify({ replicas: 4, image: 'app:3', region: 'zrh', on: false });
  await server.put('/config/both', third);
  await inDialog(page, 'Save the result').click();
  await place(1).getByRole('group', { name: 'Theirs' }).getByText('app:3').waitFor();
  assert.equal(await server.get('/config/both'), third, 'nothing is saved over what they have made meanwhile');
  await place(1).getByRole('radio', { name: 'Mine' }).click();
  await inDialog(page, 'Save the result').click();
  await page.getByText('Saved at revision').waitFor();
  assert.deepEqual(JSON.parse(await server.get('/config/both')), { replicas: 5, image: 'app:2', region: 'gva', on: false });
  await page.close();
  browser.check();
});

test('a key is renamed at one revision, not over another, and deleted after a look at it', async () => {
  await server.put('/names/old', 'value');
  await server.put('/names/taken', 'other');
  const page = await browser.open(server, '#/keys?key=/names/old');
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByLabel('New name').fill('/names/taken');
  await page.getByRole('dialog').getByRole('button', { name: 'Rename', exact: true }).click();
  await page.getByText('There is a key of that name').waitFor();
  await page.getByLabel('New name').fill('/names/new');
  await page.getByRole('dialog').getByRole('button', { name: 'Rename', exact: true }).click();
  await page.getByText('Renamed.').waitFor();
  assert.deepEqual([await server.get('/names/old'), await server.get('/names/new'), await server.get('/names/taken')], [undefined, 'value', 'other']);
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByText('There is no such key').waitFor();
  await shot(page, 'keys-gone');
  assert.equal(await server.get('/names/new'), undefined);
  await page.close();
  browser.check();
});

test('names are searched from the keyboard, and bytes are shown in views that give them back', async () => {
  await server.put('/registry/pods/default/nginx', Buffer.from('k8s\0\n\t\n\x02v1\x12\x03Pod\x12\x11\n\x07\n\x05nginx\x88\x01\x05\x15\x01\0\0\0\x1a\0"\0', 'latin1'));
  await server.put('/blobs/raw', Buffer.from(Array.from({ length: 64 }, (_, i) => (i * 37 + 200) % 256)));
  const page = await browser.open(server);
  await page.keyboard.press('/');
  await page.keyboard.type('NGI'.toLowerCase());
  const hit = page.getByRole('treeitem', { name: '/registry/pods/default/nginx' });
  await hit.waitFor();
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByText('2: "Pod" # kind').waitFor();
  await shot(page, 'keys-kubernetes');
  await page.getByRole('radio', { name: 'Hex' }).click();
  await page.getByText('6b 38 73 00').waitFor();
  await page.goto(`${server.url}/console/#/keys?key=/blobs/raw`);
  await page.getByText('c8 ed 12 37').waitFor();
  await page.keyboard.press('e');
  const field = page.getByLabel('Value', { exact: true });
  await field.fill('00 ff zz');
  await page.getByText('z is no hex digit').waitFor();
  await field.fill('00 ff 0a');
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Saved at revision').waitFor();
  const { kvs } = await server.call('etcdserverpb.KV/Range', { key: b64('/blobs/raw') });
  assert.equal(kvs[0].value, Buffer.from([0, 255, 10]).toString('base64'));
  await page.keyboard.press('?');
  await page.getByRole('heading', { name: 'Keys of the keyboard' }).waitFor();
  await shot(page, 'keyboard');
  await accessible(page, 'the list of keys');
  await page.close();
  browser.check();
});

test('names are folded where it is wanted, and searched by what they begin with', async () => {
  for (const name of ['team.billing.db', 'team.billing.cache', 'team.search']) await server.put(name, 'x');
  const page = await browser.open(server);
  await page.getByRole('treeitem', { name: 'team.search' }).waitFor();
  await page.getByLabel('Fold at').fill('.');
  await page.getByRole('treeitem', { name: /^team\.\s*3$/ }).click();
  await page.getByRole('treeitem', { name: /^billing\.\s*2$/ }).click();
  await page.getByRole('treeitem', { name: 'cache' }).click();
  await page.getByRole('heading', { name: 'team.billing.cache' }).waitFor();
  await shot(page, 'keys-separator');
  await page.getByLabel('How to search').selectOption('begins');
  await page.getByLabel('Search keys').fill('team.b');
  await page.getByRole('treeitem', { name: 'team.billing.db' }).waitFor();
  assert.equal(await page.getByRole('treeitem').count(), 2);
  await page.close();
  browser.check();
});

test('on a phone a triangle unfolds a folder in the tree, and its name leads to what is in it', async () => {
  for (const name of ['eu/one', 'eu/two', 'us/one', 'top']) await server.put(`/phone/${name}`, 'x');
  for (let n = 0; n < 12; n++) await server.put(`/phone/many/${n}`, 'x');
  const page = await browser.open(server, '#/keys', { width: 390, height: 844 });
  await page.getByRole('treeitem', { name: /^phone\// }).locator('.twist').click();
  await page.getByRole('treeitem', { name: /^eu\// }).locator('.twist').click();
  await page.getByRole('treeitem', { name: 'two' }).waitFor();
  await shot(page, 'keys-phone-tree');
  await page.getByRole('treeitem', { name: /^phone\// }).locator('.tree-name').click();
  const list = page.getByRole('list', { name: 'What is in it' });
  await list.waitFor();
  assert.deepEqual((await list.getByRole('listitem').allInnerTexts()).map((text) => text.split(/\s+/)), [['eu/', '2'], ['many/', '12'], ['top'], ['us/', '1']]);
  await shot(page, 'keys-phone-folder');
  await fits(page, 'a folder on a phone');
  await accessible(page, 'a folder on a phone');
  await list.getByRole('link', { name: 'many/' }).click();
  await page.getByRole('heading', { name: '/phone/many/' }).waitFor();
  await page.getByRole('button', { name: 'More' }).click();
  await list.getByRole('link', { name: '9', exact: true }).click();
  await page.getByRole('heading', { name: '/phone/many/9' }).waitFor();
  await shot(page, 'keys-phone-key');
  await page.close();
  browser.check();
});

test('a key is attached to a lease that there is, and detached; one that there is not is refused in words', async () => {
  const lease = BigInt(await server.lease(600)).toString(16);
  await server.put('/leased/by-hand', 'x');
  const page = await browser.open(server, '#/keys?key=/leased/by-hand');
  const save = async (kind, text) => {
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByRole('button', { name: 'Review and save' }).click();
    await page.getByLabel('Lives').selectOption(kind);
    if (text) await page.getByLabel('Lease', { exact: true }).fill(text);
    await page.getByRole('button', { name: 'Save', exact: true }).click();
  };
  await save('lease', '123');
  await page.getByText('requested lease not found').waitFor();
  await shot(page, 'keys-no-lease');
  await page.getByLabel('Lease', { exact: true }).fill(lease);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('link', { name: lease }).click();
  await page.getByRole('row', { name: new RegExp(lease) }).getByText('/leased/by-hand').click();
  await page.getByRole('heading', { name: '/leased/by-hand' }).waitFor();
  await save('none');
  await page.getByText('Saved at revision').waitFor();
  assert.equal((await server.call('etcdserverpb.KV/Range', { key: b64('/leased/by-hand') })).kvs[0].lease, undefined);
  await page.close();
  browser.check();
});

test('a value of Kubernetes is changed as what it says, and light and dark are chosen from the keyboard', async () => {
  const before = Buffer.from('k8s\0\n\t\n\x02v1\x12\x03Pod\x12\x11\n\x07\n\x05nginx\x88\x01\x05\x15\x01\0\0\0\x1a\0"\0', 'latin1');
  await server.put('/registry/pods/default/edited', before);
  const page = await browser.open(server, '#/keys?key=/registry/pods/default/edited');
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.keyboard.press('d');
  await page.waitForFunction((was) => getComputedStyle(document.body).backgroundColor !== was, light);
  await page.getByText('2: "Pod" # kind').waitFor();
  await page.keyboard.press('e');
  const field = page.getByLabel('Value', { exact: true });
  await field.fill((await field.inputValue()).replace('"nginx"', '"caddy"'));
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Saved at revision').waitFor();
  const { kvs } = await server.call('etcdserverpb.KV/Range', { key: b64('/registry/pods/default/edited') });
  assert.equal(Buffer.from(kvs[0].value, 'base64').toString('latin1'), before.toString('latin1').replace('nginx', 'caddy'));
  await page.close();
  browser.check();
});
