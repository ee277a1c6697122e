export function LivePage() { return <p class="pad muted">Not there yet.</p>; }
