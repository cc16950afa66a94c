// Numbers, times and addresses as text. Times are always UTC.

export const none = '–';

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en-US', { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const isNumber = (n: unknown): n is number => typeof n === 'number' && Number.isFinite(n);

export const count = (n: number | null | undefined) => (isNumber(n) ? grouped.format(n) : none);

/** A rate keeps a tenth up to 10,000; beyond, the tenth is noise. */
export const rate = (n: number | null | undefined) =>
  isNumber(n) ? (n < 10_000 ? tenths : grouped).format(n) : none;

/** A share of a whole; what is there but below a tenth of a percent is not 0.0. */
export function percent(part: number, whole: number): string {
  if (!(whole > 0)) return none;
  const p = (100 * part) / whole;
  return p > 0 && p < 0.1 ? '<0.1%' : `${p.toFixed(1)}%`;
}

/** An axis label: 0, 250, 1.5k, 20k, 3M. */
export function short(n: number): string {
  const unit = [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const;
  for (const [size, letter] of unit) {
    if (Math.abs(n) >= size) return `${+(n / size).toFixed(2)}${letter}`;
  }
  return String(+n.toFixed(3));
}

/** Seconds since the epoch of an RFC 3339 time; NaN when it is none. */
export const epoch = (s: string | null | undefined) => (s ? Date.parse(s) / 1000 : NaN);

// JavaScript's dates end 100 million days from the epoch.
const iso = (seconds: number, use: (iso: string) => string) =>
  Math.abs(seconds) <= 8.64e12 ? use(new Date(seconds * 1000).toISOString()) : none;

export const clock = (seconds: number) => iso(seconds, (s) => s.slice(11, 19));
export const minute = (seconds: number) => iso(seconds, (s) => s.slice(11, 16));
export const date = (seconds: number) => iso(seconds, (s) => s.slice(0, 10));
export const dateTime = (seconds: number) => iso(seconds, (s) => `${s.slice(0, 10)} ${s.slice(11, 19)}Z`);

/** A length of time in its two largest units. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return none;
  const s = Math.max(0, seconds);
  if (s < 59.95) return `${s < 9.95 ? s.toFixed(1) : Math.round(s)} s`;
  const units = [['year', 31_557_600], ['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]] as const;
  let whole = Math.round(s);
  const parts: string[] = [];
  for (const [name, size] of units) {
    const n = Math.floor(whole / size);
    whole -= n * size;
    if (n > 0) parts.push(`${n} ${name}${name === 'year' && n > 1 ? 's' : ''}`);
    if (name === 'year' && n > 0) break; // days do not matter after years
    if (parts.length === 2 || (parts.length === 1 && n === 0)) break;
  }
  return parts.join(' ');
}

/**
 * An address as Speedy writes it (8 or 32 hexadecimal digits) as usual text:
 * 192.0.2.1, or 2001:db8::1 in the form of RFC 5952. Anything else as it is.
 */
export function address(hex: string | null | undefined): string {
  if (!hex) return none;
  if (/^[0-9a-f]{8}$/i.test(hex)) {
    return [0, 2, 4, 6].map((i) => parseInt(hex.slice(i, i + 2), 16)).join('.');
  }
  if (!/^[0-9a-f]{32}$/i.test(hex)) return hex;
  if (/^0{20}ffff/i.test(hex)) return `::ffff:${address(hex.slice(24))}`; // §5
  const groups = Array.from({ length: 8 }, (_, i) => parseInt(hex.slice(4 * i, 4 * i + 4), 16));
  // §4.2: the longest run of two or more zero groups becomes "::", of equals the first.
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === 0) j++;
    if (j - i > length) [start, length] = [i, j - i];
    if (j > i) i = j;
  }
  const text = (g: number[]) => g.map((n) => n.toString(16)).join(':');
  return start < 0 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/**
 * A long name as the part that may be cut and the part that is always seen:
 * the last labels say whose name it is.
 */
export function splitName(name: string, tail = 18): [string, string] {
  if (name.length <= tail + 6) return [name, ''];
  const cut = name.length - tail;
  const dot = name.indexOf('.', cut);
  const at = dot >= 0 && dot < name.length - 5 ? dot : cut;
  return [name.slice(0, at), name.slice(at)];
}
