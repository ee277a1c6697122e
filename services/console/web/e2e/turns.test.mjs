// Leases, locks and elections: who holds what, who waits, for how long; and taking one from its holder.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessible, Browser, places, shot } from './browser.mjs';
import { Server } from './server.mjs';

let server, browser;
before(async () => { [server, browser] = await Promise.all([Server.start(), Browser.start()]); });
after(async () => { await browser?.stop(); await server?.stop(); });

const hex = (lease) => BigInt.asUintN(64, BigInt(lease)).toString(16);

test('leases are listed with their keys and the time they have left, and one is revoked with its keys', async () => {
  const page = await browser.open(server, '#/leases');
  await page.getByText('There are no leases').waitFor();
  await shot(page, 'leases-empty');
  const lease = await server.lease(600);
  await server.put('/leased/key', 'x', { lease });
  await page.goto(`${server.url}/console/#/leases?lease=${hex(lease)}`);
  await page.reload();
  const row = page.getByRole('row', { name: new RegExp(hex(lease)) });
  await row.getByText('/leased/key').waitFor();
  assert.match(await row.innerText(), /10 min 0 s|9 min \d+ s/);
  await shot(page, 'leases');
  await accessible(page, 'leases');
  await row.getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('1 key that is attached to it').waitFor();
  await shot(page, 'leases-revoke');
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.getByText('The lease has ended.').waitFor();
  assert.equal(await server.get('/leased/key'), undefined);
  await page.close();
  browser.check();
});

test('columns stay where they are while the time that is left is counted down', async () => {
  const lease = await server.lease(600);
  await server.put(`/still/${hex(lease)}`, '', { lease });
  const page = await browser.open(server, '#/leases');
  await page.clock.install();
  await page.route('**/Live', (route) => route.abort()); // it tells the true time that is left when it is opened anew
  for (const [hash, row] of [[`#/leases?lease=${hex(lease)}`, hex(lease)], ['#/leases?tab=locks&prefix=/still', 'holds']]) {
    await page.goto(`${server.url}/console/${hash}`);
    await page.reload();
    const left = page.getByRole('row', { name: new RegExp(row) }).locator('.left');
    await left.getByText(/^(10 min 0 s|9 min \d+ s)$/).waitFor();
    const before = await places(page.getByRole('columnheader'));
    for (const [seconds, text] of [[9 * 60 + 1, /^5\d s$/], [70, 'ending']]) {
      await page.clock.fastForward(seconds * 1000);
      await left.getByText(text).waitFor();
      assert.deepEqual(await places(page.getByRole('columnheader')), before, `${hash} at ${text}`);
    }
  }
  await page.close();
  browser.check();
});

test('an election shows who leads and who waits, and is taken from its holder', async () => {
  const leases = [];
  for (const name of ['worker-1', 'worker-2', 'worker-3']) {
    const lease = await server.lease(600);
    leases.push(lease);
    await server.put(`/election/scheduler/${hex(lease)}`, name, { lease });
  }
  const page = await browser.open(server, '#/leases?tab=locks');
  const card = page.getByRole('region', { name: '/election/scheduler' });
  await card.waitFor();
  const rows = async () => (await card.getByRole('row').allInnerTexts()).slice(1).map((text) => text.split(/\s+/).slice(0, 3).join(' '));
  assert.match((await rows())[0], /^leads worker-1/);
  assert.match((await card.innerText()), /waits, no. 1\s+worker-2[^]*waits, no. 2\s+worker-3/);
  await shot(page, 'locks');
  await accessible(page, 'locks');
  await card.getByRole('button', { name: 'Take from its holder' }).click();
  await page.getByText('Whoever holds it is not asked').waitFor();
  await page.getByRole('button', { name: 'Take it' }).click();
  await card.getByRole('row', { name: /leads worker-2/ }).waitFor();
  await page.close();
  browser.check();
});

test('a lock shows who holds it, since when, and who waits', async () => {
  const leases = [await server.lease(600), await server.lease(600)];
  for (const lease of leases) await server.put(`/locks/migrate/${hex(lease)}`, '', { lease });
  const page = await browser.open(server, '#/leases?tab=locks&prefix=/locks/');
  const card = page.getByRole('region', { name: '/locks/migrate' });
  await card.getByText('lock', { exact: true }).waitFor();
  const day = new Intl.DateTimeFormat('en-CA').format(new Date()).slice(0, 4);
  const rows = await card.getByRole('row').allInnerTexts();
  assert.match(rows[1], new RegExp(`^holds\\s+lease ${hex(leases[0])}\\s.*(${day}|\\d\\d:\\d\\d).*\\s(10 min 0 s|9 min \\d+ s)`, 's'));
  assert.match(rows[2], new RegExp(`^waits, no. 1\\s+lease ${hex(leases[1])}`));
  await shot(page, 'lock');
  await page.close();
  browser.check();
});

test('a key without a lease holds a lock until it is deleted, and what is shown is read again with the same text', async () => {
  const page = await browser.open(server, '#/leases?tab=locks&prefix=/left/');
  await page.getByText('Nobody holds or waits for anything').waitFor();
  const key = '/left/migrate/694d8f3e2a1b4c5d';
  await server.put(key, '');
  await page.getByRole('button', { name: 'Read again' }).click();
  const card = page.getByRole('region', { name: '/left/migrate' });
  await card.getByText('Its holder has no lease: it holds until its key is deleted.').waitFor();
  const lease = await server.lease(600);
  await server.put(`/left/migrate/${hex(lease)}`, '', { lease });
  await page.getByRole('button', { name: 'Look' }).click();
  await card.getByText('waits, no. 1').waitFor();
  const rows = await card.getByRole('row').allInnerTexts();
  assert.match(rows[1], new RegExp(`^holds\\s+${key}\\s`));
  assert.match(rows[2], new RegExp(`^waits, no. 1\\s+lease ${hex(lease)}`));
  await shot(page, 'lock-without-lease');
  await accessible(page, 'a lock without a lease');
  await card.getByRole('button', { name: 'Delete its key' }).click();
  await page.getByText('It has no lease').waitFor();
  await page.getByRole('button', { name: 'Delete it', exact: true }).click();
  await card.getByRole('row', { name: new RegExp(`holds lease ${hex(lease)}`) }).waitFor();
  assert.equal(await server.get(key), undefined);
  await page.close();
  browser.check();
});
