// The rates of the chart: windows by their start, each with the rates of every
// server that reported it. A window nobody reported is absent, never zero.

import type { Answer, Part } from './api';
import { epoch, isNumber } from './format';

export type Kind = 'qps' | 'aps';

export interface Cell {
  qps?: number;
  aps?: number;
  lost?: number; // absent when nothing was
}

export interface Window {
  start: number; // seconds since the epoch
  end: number;
  lost: number;
  servers: Map<string, Cell>;
}

/** The page remembers an hour of windows, whatever it is asked to show. */
export const keepSeconds = 3600;
/** Windows of a second fill an hour with 3,600; shorter ones keep fewer minutes. */
export const keepWindows = 3600;
/** A line of 600 points has one for every pixel or two. */
const maxPoints = 600;

const ms = (seconds: number) => Math.round(seconds * 1000);

/**
 * The length of the chart's windows, in seconds: that of the monitors' own
 * windows (a second, while it is not known) or, where that makes too many
 * points, the next of 2, 5, 10, 20, … times that, so that Jerry's sums are exact.
 */
export function stepFor(span: number, own = 1): number {
  for (let scale = 1; ; scale *= 10) {
    for (const k of [1, 2, 5]) {
      const step = own * k * scale;
      if (step * maxPoints >= span - 1e-6) return ms(step) / 1000;
    }
  }
}

/** Windows of a length of time begin at its multiples since 1970; windows of a number of messages anywhere. */
export const aligned = (start: number, end: number) => ms(end) > ms(start) && ms(start) % (ms(end) - ms(start)) === 0;

/**
 * The length of the windows that answers to a query with that step should be
 * shown in. Windows longer than the step come as they are: if all are alike,
 * theirs is the length. If not (some monitors have other windows, or windows of a
 * number of messages), Jerry has to cut them all alike: ask again with that step.
 */
export function resolution(answers: readonly Answer[], asked: number, span: number): { step: number; again: boolean } {
  const lengths = new Set<number>();
  let odd = false;
  for (const { series = [] } of answers) {
    for (const { start, end } of series) {
      const [from, to] = [epoch(start), epoch(end)];
      if (!(to > from)) continue;
      lengths.add((ms(to) - ms(from)) / 1000);
      odd ||= !aligned(from, to);
    }
  }
  const longest = Math.max(0, ...lengths);
  if (longest <= asked) return { step: asked, again: false };
  if (lengths.size === 1 && !odd) return { step: longest, again: false };
  const least = Math.max(asked, Math.min(longest, span / 60));
  const step = [1, 2, 5, 10, 15, 20, 30, 60].find((s) => s >= least) ?? 60 * Math.ceil(least / 60);
  return { step, again: true };
}

/** What was told of one server over one span of time, inside one window of the chart. */
interface Piece {
  start: number;
  end: number;
  rate: number | undefined;
  lost: number;
}

interface Bin {
  start: number;
  told: number; // end of what was told of it
  servers: Map<string, Record<Kind, Piece[]>>;
  merged?: Window;
}

/**
 * Windows of one length, `step`, that touch and never overlap, whatever is put
 * in: what is shorter adds up in the window that holds its start, each rate
 * weighing as much as the time that it covers.
 */
export class Series {
  private bins = new Map<number, Bin>();

  constructor(private length = stepFor(0)) {}

  get step() {
    return this.length;
  }

  /** Changes the length of the windows; keeps what fits into the new ones. */
  set step(step: number) {
    if (step === this.length) return;
    const old = this.bins;
    this.bins = new Map();
    this.length = step;
    for (const bin of old.values()) {
      for (const [server, kinds] of bin.servers) {
        for (const kind of ['qps', 'aps'] as const) {
          for (const p of kinds[kind]) if (ms(p.end) - ms(p.start) <= ms(step)) this.put(kind, server, p);
        }
      }
    }
    this.prune();
  }

  /** Windows by time. The newest one ends where what is told of it ends. */
  sorted(): Window[] {
    const bins = [...this.bins.values()].sort((a, b) => a.start - b.start);
    return bins.map((bin, i) => {
      const w = (bin.merged ??= this.merge(bin));
      return i === bins.length - 1 ? { ...w, end: bin.told } : w;
    });
  }

  clear() {
    this.bins.clear();
  }

  /**
   * Takes one window of one kind; a later one of the same times replaces it.
   * Says whether all of it was taken: of a window that a sum of a refill already
   * has in it, nothing is known any more.
   */
  upsert(kind: Kind, start: number, end: number, by: Record<string, Part>): boolean {
    if (!(end > start)) return true;
    const bin = this.bin(start);
    const to = Math.min(end, bin.start + this.length);
    bin.told = Math.max(bin.told, to);
    delete bin.merged;
    for (const kinds of bin.servers.values()) {
      kinds[kind] = kinds[kind].filter((p) => p.start !== start || p.end !== to);
    }
    let all = true;
    for (const [server, part] of Object.entries(by)) {
      const known = bin.servers.get(server)?.[kind] ?? [];
      if (known.some((p) => p.start < to && start < p.end)) all = false;
      else this.put(kind, server, { start, end, rate: rateOf(kind, part.data), lost: part.lost ?? 0 });
    }
    this.prune();
    return all;
  }

  /** Replaces what is known of one kind between the answer's times. */
  refill(kind: Kind, answer: Answer) {
    const from = epoch(answer.from);
    const to = epoch(answer.to);
    for (const [key, bin] of this.bins) {
      if (bin.start + this.length <= from || bin.start >= to) continue;
      delete bin.merged;
      let left = 0;
      for (const [server, kinds] of bin.servers) {
        kinds[kind] = kinds[kind].filter((p) => p.end <= from || p.start >= to);
        if (kinds.qps.length + kinds.aps.length === 0) bin.servers.delete(server);
        else left = Math.max(left, ...[...kinds.qps, ...kinds.aps].map((p) => p.end));
      }
      bin.told = left;
      if (bin.servers.size === 0) this.bins.delete(key);
    }
    // The first and the last step are cut where the range is.
    for (const s of answer.series ?? []) {
      this.upsert(kind, Math.max(epoch(s.start), from), Math.min(epoch(s.end), to), s.by ?? {});
    }
  }

  /** How many queries were seen between two times, by the rates; undefined when no rate was heard. */
  queriesBetween(from: number, to: number, server: string): number | undefined {
    let total: number | undefined;
    for (const bin of this.bins.values()) {
      for (const [name, { qps }] of bin.servers) {
        if (server && name !== server) continue;
        for (const { start, end, rate } of qps) {
          const middle = (start + end) / 2;
          if (rate !== undefined && middle >= from && middle <= to) total = (total ?? 0) + rate * (end - start);
        }
      }
    }
    return total;
  }

  private bin(at: number): Bin {
    const start = (Math.floor(ms(at) / ms(this.length)) * ms(this.length)) / 1000;
    let bin = this.bins.get(start);
    if (!bin) this.bins.set(start, (bin = { start, told: start, servers: new Map() }));
    return bin;
  }

  private put(kind: Kind, server: string, piece: Piece) {
    const bin = this.bin(piece.start);
    const end = Math.min(piece.end, bin.start + this.length);
    let kinds = bin.servers.get(server);
    if (!kinds) bin.servers.set(server, (kinds = { qps: [], aps: [] }));
    kinds[kind].push({ ...piece, end });
    bin.told = Math.max(bin.told, end);
    delete bin.merged;
  }

  private merge(bin: Bin): Window {
    const w: Window = { start: bin.start, end: (ms(bin.start) + ms(this.length)) / 1000, lost: 0, servers: new Map() };
    for (const [server, kinds] of bin.servers) {
      const cell: Cell = {};
      // Both kinds tell of the same messages, and so of the same loss.
      let lost = 0;
      for (const kind of ['qps', 'aps'] as const) {
        const rate = average(kinds[kind]);
        if (rate !== undefined) cell[kind] = rate;
        lost = Math.max(lost, kinds[kind].reduce((n, p) => n + p.lost, 0));
      }
      if (lost > 0) cell.lost = lost;
      w.lost += lost;
      if (cell.qps !== undefined || cell.aps !== undefined || lost > 0) w.servers.set(server, cell);
    }
    return w;
  }

  private prune() {
    let newest = -Infinity;
    for (const start of this.bins.keys()) newest = Math.max(newest, start);
    for (const start of this.bins.keys()) if (start <= newest - keepSeconds) this.bins.delete(start);
    if (this.bins.size > keepWindows) {
      const starts = [...this.bins.keys()].sort((a, b) => a - b);
      for (const start of starts.slice(0, starts.length - keepWindows)) this.bins.delete(start);
    }
  }
}

/** Each rate weighs as much as the time that it covers. */
function average(pieces: readonly Piece[]): number | undefined {
  const told = pieces.flatMap(({ start, end, rate }) => (rate === undefined ? [] : [{ rate, time: end - start }]));
  if (told.length < 2) return told[0]?.rate; // as it was told, to the last digit
  return told.reduce((n, p) => n + p.rate * p.time, 0) / told.reduce((n, p) => n + p.time, 0);
}

function rateOf(kind: Kind, data: unknown): number | undefined {
  const value = data && typeof data === 'object' ? (data as Record<string, unknown>)[kind] : undefined;
  return isNumber(value) ? value : undefined;
}

export type Column = (number | null)[];

/**
 * The windows as columns for the chart: x is each window's end, then qps and
 * aps of each server. Where windows do not touch, a column of nulls breaks the line.
 */
export function columns(windows: readonly Window[], servers: readonly string[]): [number[], ...Column[]] {
  const x: number[] = [];
  const ys: Column[] = servers.flatMap(() => [[], []] as Column[]);
  let last: Window | undefined;
  for (const w of windows) {
    if (last && w.start > last.end + 1e-6) {
      x.push((last.end + w.end) / 2);
      for (const y of ys) y.push(null);
    }
    x.push(w.end);
    servers.forEach((server, i) => {
      const cell = w.servers.get(server);
      ys[2 * i]!.push(cell?.qps ?? null);
      ys[2 * i + 1]!.push(cell?.aps ?? null);
    });
    last = w;
  }
  return [x, ...ys];
}

/**
 * From when to when the chart goes: to the newest window, as far back as there
 * is data but a minute (or six windows) at least and the range asked for at most.
 */
export function extent(windows: readonly Window[], span: number, step: number): [number, number] | undefined {
  const first = windows[0];
  const to = windows[windows.length - 1]?.end;
  if (!first || to === undefined) return undefined;
  const filled = Math.max(60, 6 * step, to - first.start);
  return [to - Math.min(span, filled), to];
}

export interface Now {
  qps: number | undefined;
  aps: number | undefined;
  servers: string[]; // who is in the sum
  silent: string[]; // known, but without a recent window
}

/**
 * The rates now, over all servers: of each its newest window, as servers report
 * one after the other. A server is silent that is three windows behind the
 * newest, and 10 s.
 */
export function now(windows: readonly Window[], known: readonly string[]): Now {
  const recent: Window[] = []; // the newest first
  let length = 0; // the newest may be unfinished, and so shorter
  for (let i = windows.length - 1; i >= 0; i--) {
    const w = windows[i]!;
    if (recent.length < 3) length = Math.max(length, w.end - w.start);
    if (recent[0] && w.end <= recent[0].end - Math.max(3 * length, 10) + 1e-6) break;
    recent.push(w);
  }
  const sum: { qps?: number; aps?: number } = {};
  const servers: string[] = [];
  const silent: string[] = [];
  for (const server of known) {
    let heard = false;
    for (const kind of ['qps', 'aps'] as const) {
      const value = recent.find((w) => w.servers.get(server)?.[kind] !== undefined)?.servers.get(server)?.[kind];
      if (value === undefined) continue;
      sum[kind] = (sum[kind] ?? 0) + value;
      heard = true;
    }
    (heard ? servers : silent).push(server);
  }
  return { qps: sum.qps, aps: sum.aps, servers, silent };
}
