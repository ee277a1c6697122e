import { useEffect, useRef, useState } from 'preact/hooks';
import type { Bytes } from '../bytes/bytes';
import { escape } from '../bytes/escape';
import { Notice } from '../ui/basic';
import { Dialog } from '../ui/Dialog';
import { count, plural, size } from '../ui/format';
import { exportLines } from './lines';

/** Writes what is below a prefix into a file that the browser saves. */
export function ExportDialog({ prefix, onClose }: { prefix: Bytes; onClose: () => void }) {
  const [far, setFar] = useState<{ n: number; of: number } | undefined>();
  const [made, setMade] = useState<{ href: string; name: string; text: string } | undefined>();
  const ending = useRef(new AbortController());
  useEffect(() => () => ending.current.abort(), []);
  useEffect(() => () => { if (made) URL.revokeObjectURL(made.href); }, [made]);
  const run = async () => {
    const { file, revision, keys } = await exportLines(prefix, ending.current.signal, (n, of) => setFar({ n, of }));
    const name = `${escape(prefix).replace(/[^\w.-]+/g, '-').replace(/^-+|-+$/g, '') || 'keys'}-${revision}.jsonl`;
    const href = URL.createObjectURL(file);
    setMade({ href, name, text: `${plural(keys, 'key')} at revision ${revision}, ${size(file.size)}` });
    const a = document.createElement('a');
    a.href = href;
    a.download = name;
    a.click();
  };
  return (
    <Dialog title="Export keys" act={made ? undefined : 'Export'} onAct={run} onClose={onClose}>
      <p>{prefix ? <>All keys that begin with <code class="break">{escape(prefix)}</code></> : 'All keys'}, as they are at one revision, as JSON lines: <code>quoratectl import</code> and the import here read them.</p>
      {far && !made && <p role="status">{count(far.n)} of {count(far.of)}…</p>}
      {made && <Notice kind="good" title="Exported">{made.text}. <a href={made.href} download={made.name}>Save it again</a></Notice>}
    </Dialog>
  );
}
