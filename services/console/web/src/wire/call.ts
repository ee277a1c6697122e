import { token } from './token';

/** Refused is the answer of a call that failed. */
export class Refused extends Error {
  constructor(readonly code: string, message: string) { super(message); }
  /** Nothing came back: the server is not there, or not to be reached. */
  get unreachable() { return this.code === 'unreachable'; }
  get denied() { return this.code === 'permission_denied'; }
}

export const consoleService = 'quorate.console.v1.ConsoleService';
export const inspectService = 'quorate.v1.InspectService';
const timeout = 30_000;

/** What is to be done when the token is no longer good: the page asks to log in again. */
export const onLoggedOut: { do: () => void } = { do: () => {} };

export function headers(type: string): Record<string, string> {
  const sent: Record<string, string> = { 'content-type': type, 'connect-protocol-version': '1' };
  if (token.value) sent.authorization = token.value;
  return sent;
}

/** Calls a unary method. Throws Refused. */
export async function call<Answer>(method: string, request: object = {}, signal?: AbortSignal): Promise<Answer> {
  const limit = AbortSignal.timeout(timeout);
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(`/${method}`, {
      method: 'POST', headers: headers('application/json'), body: JSON.stringify(request), credentials: 'omit', signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    text = await answer.text();
  } catch (wrong) {
    if (signal?.aborted) throw wrong;
    throw new Refused('unreachable', limit.aborted ? `The server has not answered within ${timeout / 1000} seconds.` : 'The server does not answer. Is it running?');
  }
  if (answer.ok) return JSON.parse(text) as Answer;
  throw refusal(text, `HTTP ${answer.status}`);
}

/** Makes a Refused of Connect's error, and has the page ask to log in where that is what helps. */
export function refusal(text: string, otherwise: string): Refused {
  let told: { code?: string; message?: string } = {};
  try {
    told = JSON.parse(text) as typeof told;
  } catch {
    told.message = text.trim().slice(0, 300);
  }
  const refused = new Refused(told.code ?? 'unknown', told.message || told.code || otherwise);
  if (refused.code === 'unauthenticated' || /invalid auth token|user name is empty/.test(refused.message)) onLoggedOut.do();
  return refused;
}

/** What a person is told of an error. */
export function words(wrong: unknown): string {
  if (wrong instanceof Refused && wrong.denied) return `You may not do that: ${wrong.message}`;
  const text = wrong instanceof Error ? wrong.message : String(wrong);
  return text.endsWith('unhealthy cluster') ? `${text}: a member does not answer, or has been connected for less than five seconds. Try again in a moment.` : text;
}
