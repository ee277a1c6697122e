import { consoleService, headers, Refused, refusal } from './call';
import type { LiveRequest, LiveResponse } from './types';

// Each message is in an envelope: a byte of flags, four of length, and JSON. The flag 2 ends the stream.
const head = 5;
const last = 2;

function envelope(message: object): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(JSON.stringify(message));
  const out = new Uint8Array(head + body.length);
  new DataView(out.buffer).setUint32(1, body.length);
  out.set(body, head);
  return out;
}

/** Reads the stream Live until it ends, or signal ends it. Throws Refused where it did not end well. */
export async function live(request: LiveRequest, signal: AbortSignal, take: (message: LiveResponse) => void): Promise<void> {
  let answer: Response;
  try {
    answer = await fetch(`/${consoleService}/Live`, { method: 'POST', headers: headers('application/connect+json'), body: envelope(request), credentials: 'omit', signal });
  } catch (wrong) {
    if (signal.aborted) throw wrong;
    throw new Refused('unreachable', 'The server does not answer.');
  }
  if (!answer.ok || !answer.body) throw refusal(await answer.text(), `HTTP ${answer.status}`);
  const reader = answer.body.getReader();
  const decoder = new TextDecoder();
  let held = new Uint8Array(0);
  for (;;) {
    let part: ReadableStreamReadResult<Uint8Array>;
    try {
      part = await reader.read();
    } catch (wrong) {
      if (signal.aborted) throw wrong;
      throw new Refused('unreachable', 'The connection to the server is lost.');
    }
    if (part.done) throw new Refused('unreachable', 'The connection to the server is lost.');
    const all = new Uint8Array(held.length + part.value.length);
    all.set(held);
    all.set(part.value, held.length);
    let at = 0;
    while (all.length - at >= head) {
      const size = new DataView(all.buffer).getUint32(at + 1);
      if (all.length - at < head + size) break;
      const text = decoder.decode(all.subarray(at + head, at + head + size));
      if (all[at]! & last) {
        const { error } = JSON.parse(text) as { error?: object };
        if (error) throw refusal(JSON.stringify(error), 'the stream was ended');
        return;
      }
      take(JSON.parse(text) as LiveResponse);
      at += head + size;
    }
    held = all.slice(at);
  }
}
