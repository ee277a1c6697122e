import { go, keyParam, paramKey, route } from '../shell/route';
import { Segments } from '../ui/basic';
import { KeyForm } from '../ui/KeyForm';
import { Empty } from '../ui/basic';
import { Changes } from './Changes';
import { Deleted } from './Deleted';
import { Versions } from './Versions';

const tabs: ['versions' | 'changes' | 'deleted', string][] = [['versions', 'Versions of a key'], ['changes', 'What has changed'], ['deleted', 'What was deleted']];

export function HistoryPage() {
  const { params } = route.value;
  const tab = tabs.find(([name]) => name === params.get('tab'))?.[0] ?? 'versions';
  const key = paramKey('key');
  const prefix = paramKey('prefix') ?? '';
  return (
    <div class="stack">
      <h1 class="sr">History</h1>
      <Segments label="History of" value={tab} options={tabs} onChange={(to) => go('history', to === 'versions' ? {} : { tab: to, prefix: params.get('prefix') ?? undefined })} />
      {tab === 'changes' && (
        <>
          <KeyForm label="Changed keys that begin with" value={prefix} act="Look" placeholder="/config/   (empty for all keys)" onKey={(p) => go('history', { tab, prefix: keyParam(p) })} />
          <Changes key={prefix} prefix={prefix} />
        </>
      )}
      {tab === 'deleted' && (
        <>
          <KeyForm label="Deleted keys that began with" value={prefix} act="Look" placeholder="/config/   (empty for all keys)" onKey={(p) => go('history', { tab, prefix: keyParam(p) })} />
          <Deleted key={prefix} prefix={prefix} />
        </>
      )}
      {tab === 'versions' && (
        <>
          <KeyForm label="Key to see the history of" value={key} act="Look" placeholder="/config/production/billing" required onKey={(k) => go('history', { key: keyParam(k) })} />
          {key ? <Versions key={key} of={key} /> : <Empty title="Type a key to see what it was"><p>Its versions are listed with their times, as far back as compaction has left them; any two can be compared, and each can be put back. A key that was deleted can be looked up, too.</p></Empty>}
        </>
      )}
    </div>
  );
}
