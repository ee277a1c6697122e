export function HistoryPage() { return <p class="pad muted">Not there yet.</p>; }
