// Users and roles are made, and somebody who may only read can only read, and is told so.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { accessible, Browser, shot } from './browser.mjs';
import { Server } from './server.mjs';

let server, browser;
before(async () => { [server, browser] = await Promise.all([Server.start({ args: ['--bcrypt-cost', '4', '--audit-log', join(process.env.TMPDIR ?? '/tmp', `quorate-console-audit-${process.pid}.log`)] }), Browser.start()]); });
after(async () => {
  const { rm } = await import('node:fs/promises');
  await browser?.stop();
  await server?.stop();
  await rm(join(process.env.TMPDIR ?? '/tmp', `quorate-console-audit-${process.pid}.log`), { force: true });
});

async function logIn(page, user, password) {
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
}

test('a role and a user are made in the page, and the log-in is asked for once authentication is enabled', async () => {
  const page = await browser.open(server, '#/access');
  await page.getByText('Authentication is not enabled').waitFor();
  await shot(page, 'access-open');
  await page.getByRole('radio', { name: 'Roles' }).click();
  await page.getByText('There are no roles yet').waitFor();
  for (const name of ['root', 'reader']) {
    await page.getByRole('button', { name: 'Add a role' }).click();
    await page.getByLabel('Name').fill(name);
    await page.keyboard.press('Enter');
    await page.getByRole('region', { name }).waitFor();
  }
  await page.getByRole('region', { name: 'reader' }).getByRole('button', { name: 'Permit more' }).click();
  await page.getByLabel('Keys that begin with').fill('/shared/');
  await shot(page, 'access-grant');
  await page.getByRole('button', { name: 'Grant', exact: true }).click();
  await page.getByRole('region', { name: 'reader' }).getByText('/shared/…').waitFor();
  await shot(page, 'access-roles');
  await accessible(page, 'roles');
  await page.getByRole('radio', { name: 'Users' }).click();
  for (const [name, role] of [['root', 'root'], ['alice', 'reader']]) {
    await page.getByRole('button', { name: 'Add a user' }).click();
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill('secret');
    await page.keyboard.press('Enter');
    await page.getByRole('row', { name: new RegExp(name) }).getByRole('button', { name: 'Roles' }).click();
    await page.getByLabel(role, { exact: true }).check();
    await page.getByRole('button', { name: 'Change', exact: true }).click();
    await page.getByRole('row', { name: new RegExp(`${name}\\s+${role}`) }).waitFor();
  }
  await shot(page, 'access-users');
  await accessible(page, 'users');
  await server.put('/shared/key', 'to be read');
  await server.put('/secret/key', 'not to be read', { lease: await server.lease(3600) });
  await server.call('etcdserverpb.Auth/AuthEnable');
  await page.reload();
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  await shot(page, 'login');
  await accessible(page, 'the log-in');
  await logIn(page, 'alice', 'wrong');
  await page.getByText('That did not work').waitFor();
  await shot(page, 'login-failed');
  await logIn(page, 'root', 'secret');
  await page.getByRole('button', { name: 'Log out' }).waitFor();
  assert.equal(await page.evaluate(() => document.cookie), '');
  await page.getByRole('radio', { name: 'Audit trail' }).click();
  await page.getByRole('cell', { name: 'Auth/Authenticate' }).first().waitFor();
  await shot(page, 'access-audit');
  await page.close();
  browser.check();
});

test('who may only read finds what it may, and is refused the rest in words', async () => {
  const { token } = await server.call('etcdserverpb.Auth/Authenticate', { name: 'alice', password: 'secret' });
  const page = await browser.open(server, '#/keys?q=/shared/&by=begins&key=/shared/key', { token });
  await page.getByText('to be read').waitFor();
  await page.getByRole('treeitem', { name: '/shared/key' }).waitFor();
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Value', { exact: true }).fill('changed');
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('You may not do that: etcdserver: permission denied').waitFor();
  await shot(page, 'readonly-refused');
  assert.equal((await server.call('etcdserverpb.KV/Range', { key: Buffer.from('/shared/key').toString('base64') }, token)).kvs[0].value, Buffer.from('to be read').toString('base64'));
  await page.keyboard.press('Escape');
  await page.goto(`${server.url}/console/#/keys`);
  await page.getByText('The keys cannot be listed').waitFor();
  await page.getByText('Type what the names begin with that you may read').waitFor();
  await shot(page, 'readonly-all');
  await page.goto(`${server.url}/console/#/access`);
  await page.getByLabel('Key or prefix').fill('/shared/');
  await page.getByRole('button', { name: 'Ask' }).click();
  await page.getByText('may read', { exact: true }).waitFor();
  await page.getByText('may not write', { exact: true }).waitFor();
  await page.getByRole('row', { name: /reader\s+reads\s+\/shared\// }).waitFor();
  await shot(page, 'readonly-rights');
  await accessible(page, 'rights');
  assert.equal(await page.getByRole('radio', { name: 'Users' }).count(), 0);
  for (const [hash, text] of [['#/live?prefix=/secret/', /the watch has ended: .*permission denied/], ['#/leases', /The leases cannot be listed/], ['#/history?key=/secret/key', /The history cannot be read/], ['#/cluster?tab=slow', /cannot be seen/]]) {
    await page.goto(`${server.url}/console/${hash}`);
    await page.getByText(text).first().waitFor();
  }
  await page.close();
  browser.check();
});

test('a token that is no longer good asks to log in, and what was typed is still there', async () => {
  const { token } = await server.call('etcdserverpb.Auth/Authenticate', { name: 'root', password: 'secret' });
  const page = await browser.open(server, '#/keys?key=/shared/key', { token });
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByLabel('Value', { exact: true }).fill('typed before');
  await server.call('etcdserverpb.Auth/UserChangePassword', { name: 'root', password: 'other' }, token);
  await page.getByRole('button', { name: 'Review and save' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Your log-in has ended').waitFor();
  await logIn(page, 'root', 'other');
  await page.getByText('not saved yet').waitFor();
  assert.equal(await page.getByLabel('Value', { exact: true }).inputValue(), 'typed before');
  await page.close();
  browser.check();
});

test('root is told what another may do, takes a permission back, and removes users and roles', async () => {
  const { token } = await server.call('etcdserverpb.Auth/Authenticate', { name: 'root', password: 'other' });
  const page = await browser.open(server, '#/access', { token });
  await page.getByLabel('User', { exact: true }).fill('alice');
  await page.getByLabel('Key or prefix').fill('/secret/');
  await page.getByRole('button', { name: 'Ask' }).click();
  await page.getByText('may not read', { exact: true }).waitFor();
  await page.getByRole('row', { name: /reader\s+reads\s+\/shared\// }).waitFor();
  await shot(page, 'access-of-another');
  await page.getByRole('radio', { name: 'Users' }).click();
  const alice = page.getByRole('row', { name: /alice/ });
  await alice.getByRole('button', { name: 'Password' }).click();
  await page.getByLabel('New password', { exact: true }).fill('changed');
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  await page.getByText('Changed.').waitFor();
  await server.call('etcdserverpb.Auth/Authenticate', { name: 'alice', password: 'changed' });
  await page.getByRole('radio', { name: 'Roles' }).click();
  const reader = page.getByRole('region', { name: 'reader' });
  await reader.getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('no longer: users who have that by no other role').waitFor();
  await shot(page, 'access-revoke');
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
  await reader.getByText('permits nothing yet').waitFor();
  await reader.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await reader.waitFor({ state: 'detached' });
  await page.getByRole('radio', { name: 'Users' }).click();
  await alice.getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Whoever uses it is refused from the next request on').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await alice.waitFor({ state: 'detached' });
  assert.deepEqual((await server.call('etcdserverpb.Auth/UserList', {}, token)).users, ['root']);
  await page.close();
  browser.check();
});
