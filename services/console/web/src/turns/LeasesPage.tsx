export function LeasesPage() { return <p class="pad muted">Not there yet.</p>; }
