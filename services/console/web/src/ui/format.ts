/** How things are written for people. */
export const count = (n: number | string | undefined): string => Number(n ?? 0).toLocaleString('en');

export function size(bytes: number | string | undefined): string {
  let n = Number(bytes ?? 0);
  if (n < 1024) return `${n} B`;
  let unit = '';
  for (const next of ['KiB', 'MiB', 'GiB', 'TiB']) {
    if (n < 1024) break;
    n /= 1024;
    unit = next;
  }
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${unit}`;
}

/** From seconds. */
export function duration(seconds: number): string {
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
  if (seconds < 60) return `${seconds < 10 && seconds % 1 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  seconds = Math.round(seconds);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

const two = (n: number) => String(n).padStart(2, '0');
export function time(milli: number): string {
  if (!milli) return 'time not known';
  const at = new Date(milli);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} `;
  return (new Date().toDateString() === at.toDateString() ? '' : day) + `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
export const nanoTime = (nano: string | undefined): string => time(Math.floor(Number(nano ?? 0) / 1e6));
export const ago = (milli: number): string => `${duration(Math.max(0, Math.round((Date.now() - milli) / 1000)))} ago`;

/** Identities are 64 bits, and written in hex as etcdctl does; leases are asked for in the same way. */
export const id = (decimal: string | undefined): string => BigInt.asUintN(64, BigInt(decimal ?? 0)).toString(16);
export function fromId(hex: string): string {
  const read = hex.trim().replace(/^0x/, '');
  if (!/^[0-9a-fA-F]{1,16}$/.test(read)) throw new Error('A lease is written in hex, such as 694d81417acd4754.');
  return BigInt.asIntN(64, BigInt('0x' + read)).toString();
}

export const plural = (n: number | string | undefined, one: string, many = one + 's'): string => `${count(n)} ${Number(n ?? 0) === 1 ? one : many}`;
