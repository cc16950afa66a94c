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

export class Series {
  private windows = new Map<number, Window>();

  /** Windows by time. */
  sorted(): Window[] {
    return [...this.windows.values()].sort((a, b) => a.start - b.start);
  }

  clear() {
    this.windows.clear();
  }

  /** Takes one window of one kind; a later one of the same start replaces it. */
  upsert(kind: Kind, start: number, end: number, lost: number, by: Record<string, Part>) {
    if (!(end > start)) return;
    let w = this.windows.get(start);
    if (!w || w.end !== end) {
      w = { start, end, lost: 0, servers: new Map() };
      this.windows.set(start, w);
    }
    w.lost = Math.max(w.lost, lost);
    for (const cell of w.servers.values()) delete cell[kind];
    for (const [server, part] of Object.entries(by)) {
      const value = rateOf(kind, part.data);
      if (value === undefined) continue;
      const cell = w.servers.get(server) ?? {};
      cell[kind] = value;
      if (part.lost) cell.lost = part.lost;
      w.servers.set(server, cell);
    }
    this.prune();
  }

  /** Replaces what is known of one kind between the answer's times. */
  refill(kind: Kind, answer: Answer) {
    const from = epoch(answer.from);
    const to = epoch(answer.to);
    for (const [start, w] of this.windows) {
      if (start < from || w.end > to) continue;
      for (const [server, cell] of w.servers) {
        delete cell[kind];
        if (cell.qps === undefined && cell.aps === undefined) w.servers.delete(server);
      }
      if (w.servers.size === 0) this.windows.delete(start);
    }
    for (const s of answer.series ?? []) {
      this.upsert(kind, epoch(s.start), epoch(s.end), s.lost ?? 0, s.by ?? {});
    }
  }

  private prune() {
    let newest = -Infinity;
    for (const w of this.windows.values()) newest = Math.max(newest, w.end);
    for (const [start, w] of this.windows) if (w.end <= newest - keepSeconds) this.windows.delete(start);
    if (this.windows.size > keepWindows) {
      for (const w of this.sorted().slice(0, this.windows.size - keepWindows)) this.windows.delete(w.start);
    }
  }
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

export interface Now {
  qps: number | undefined;
  aps: number | undefined;
  servers: string[]; // who is in the sum
  silent: string[]; // known, but without a recent window
}

/**
 * The rates now, over all servers: of each its newest window, as servers report
 * one after the other. A server three windows behind the newest is silent.
 */
export function now(windows: readonly Window[], known: readonly string[]): Now {
  const recent = windows.slice(-3);
  const newest = recent[recent.length - 1];
  const sum: { qps?: number; aps?: number } = {};
  const servers: string[] = [];
  const silent: string[] = [];
  for (const server of known) {
    let heard = false;
    for (const kind of ['qps', 'aps'] as const) {
      for (let i = recent.length - 1; i >= 0; i--) {
        const w = recent[i]!;
        const value = w.servers.get(server)?.[kind];
        if (value === undefined || w.end < newest!.end - 3 * (newest!.end - newest!.start)) continue;
        sum[kind] = (sum[kind] ?? 0) + value;
        heard = true;
        break;
      }
    }
    (heard ? servers : silent).push(server);
  }
  return { qps: sum.qps, aps: sum.aps, servers, silent };
}

/** How many queries were seen between two times, by the rates; undefined when no rate was heard. */
export function queriesBetween(windows: readonly Window[], from: number, to: number, server: string): number | undefined {
  let total: number | undefined;
  for (const w of windows) {
    if (w.start < from - 1e-6 || w.end > to + 1e-6) continue;
    for (const [name, cell] of w.servers) {
      if (cell.qps !== undefined && (!server || name === server)) total = (total ?? 0) + cell.qps * (w.end - w.start);
    }
  }
  return total;
}
