import { go, route } from '../shell/route';
import { Segments } from '../ui/basic';
import { Charts } from './Charts';
import { Members } from './Members';
import { Slow } from './Slow';

const tabs: [string, string][] = [['members', 'Members'], ['charts', 'Charts'], ['slow', 'Slowest requests']];

export function ClusterPage() {
  const wanted = route.value.params.get('tab') ?? '';
  const tab = tabs.some(([id]) => id === wanted) ? wanted : 'members';
  return (
    <div class="stack">
      <h1 class="sr">Cluster</h1>
      <Segments label="Show" value={tab} options={tabs} onChange={(t) => go('cluster', t === 'members' ? {} : { tab: t })} />
      {tab === 'members' ? <Members /> : tab === 'charts' ? <Charts /> : <Slow />}
    </div>
  );
}
