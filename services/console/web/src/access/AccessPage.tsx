export function AccessPage() { return <p class="pad muted">Not there yet.</p>; }
