import { go, route } from '../shell/route';
import { Segments } from '../ui/basic';
import { Leases } from './Leases';
import { Locks } from './Locks';

export function LeasesPage() {
  const locks = route.value.params.get('tab') === 'locks';
  return (
    <div class="stack">
      <h1 class="sr">Leases, locks and elections</h1>
      <Segments label="Show" value={locks ? 'locks' : 'leases'} options={[['leases', 'Leases'], ['locks', 'Locks and elections']]} onChange={(tab) => go('leases', tab === 'locks' ? { tab } : {})} />
      {locks ? <Locks /> : <Leases />}
    </div>
  );
}
