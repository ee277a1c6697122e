import { about } from '../shell/about';
import { go, route } from '../shell/route';
import { Notice, Segments } from '../ui/basic';
import { Audit } from './Audit';
import { RightsForm } from './RightsForm';
import { Roles } from './Roles';
import { Users } from './Users';

export function AccessPage() {
  const { authEnabled, root, user } = about.value!;
  const tabs: [string, string][] = [['rights', 'Who may what'], ...(root ? ([['users', 'Users'], ['roles', 'Roles'], ['audit', 'Audit trail']] as [string, string][]) : [])];
  const wanted = route.value.params.get('tab') ?? '';
  const tab = tabs.some(([id]) => id === wanted) ? wanted : 'rights';
  return (
    <div class="stack">
      <h1 class="sr">Access</h1>
      <Segments label="Show" value={tab} options={tabs} onChange={(t) => go('access', t === 'rights' ? {} : { tab: t })} />
      {!authEnabled && <Notice kind="warn" title="Authentication is not enabled">Everybody who reaches this store may do everything. Make a user “root” with the role root and your own roles here first, then type <code>etcdctl auth enable</code>.</Notice>}
      {tab === 'users' ? <Users /> : tab === 'roles' ? <Roles /> : tab === 'audit' ? <Audit /> : <RightsForm key={user} />}
    </div>
  );
}
