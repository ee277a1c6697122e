export function ClusterPage() { return <p class="pad muted">Not there yet.</p>; }
