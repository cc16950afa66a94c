import { expect, test } from 'vitest';
import type { Answer, Part } from './api';
import { columns, extent, keepSeconds, now, resolution, Series, stepFor, type Window } from './series';

const q = (by: Record<string, number>): Record<string, Part> =>
  Object.fromEntries(Object.entries(by).map(([s, qps]) => [s, { data: { qps } }]));
const a = (by: Record<string, number>): Record<string, Part> =>
  Object.fromEntries(Object.entries(by).map(([s, aps]) => [s, { data: { aps } }]));

const time = (t: number) => new Date(t * 1000).toISOString();
const answer = (from: number, to: number, series: [number, number, Record<string, number>][]): Answer => ({
  type: 'QueriesPerSecond', from: time(from), to: time(to),
  series: series.map(([start, end, by]) => ({ start: time(start), end: time(end), by: q(by) })),
});
const ends = (s: Series) => s.sorted().map((w) => w.end);
const line = (s: Series, server = 'ns1') => columns(s.sorted(), [server])[1];
function ascends(s: Series) {
  const [x] = columns(s.sorted(), ['ns1']);
  x.forEach((t, i) => expect(t).toBeGreaterThan(i ? x[i - 1]! : -Infinity));
}

test('a missing window is a gap, a missing server null, and nothing a zero', () => {
  const s = new Series(10);
  s.upsert('qps', 0, 10, q({ ns1: 1, ns2: 2 }));
  s.upsert('aps', 0, 10, a({ ns1: 0.5 }));
  s.upsert('qps', 10, 20, q({ ns1: 3 }));
  s.upsert('qps', 40, 50, q({ ns1: 5, ns2: 6 }));
  expect(columns(s.sorted(), ['ns1', 'ns2'])).toEqual([
    [10, 20, 35, 50],
    [1, 3, null, 5],
    [0.5, null, null, null],
    [2, null, null, 6],
    [null, null, null, null],
  ]);
});

test('a window told again replaces the first telling', () => {
  const s = new Series(10);
  s.upsert('qps', 0, 10, q({ ns1: 1, ns2: 2 }));
  s.upsert('aps', 0, 10, a({ ns1: 7 }));
  s.upsert('qps', 0, 10, { ns1: { data: { qps: 4 }, lost: 3 } });
  expect(s.sorted()).toHaveLength(1);
  expect(s.sorted()[0]!.lost).toBe(3);
  expect(Object.fromEntries(s.sorted()[0]!.servers)).toEqual({ ns1: { qps: 4, aps: 7, lost: 3 } });
});

test('a refill forgets what Jerry no longer tells, and keeps what is newer', () => {
  const s = new Series(10);
  s.upsert('qps', 0, 10, q({ ns1: 1 }));
  s.upsert('qps', 10, 20, q({ ns1: 2 }));
  s.upsert('qps', 20, 30, q({ ns1: 3 }));
  s.refill('qps', answer(0, 20, [[10, 20, { ns1: 9 }]]));
  expect(columns(s.sorted(), ['ns1'])).toEqual([[20, 30], [9, 3], [null, null]]);
});

test('an hour is kept, no more', () => {
  const s = new Series(10);
  for (let t = 0; t < 3 * keepSeconds; t += 10) s.upsert('qps', t, t + 10, q({ ns1: t }));
  expect(s.sorted()).toHaveLength(keepSeconds / 10);
  expect(s.sorted()[0]!.start).toBe(2 * keepSeconds);
});

test('a value that is no number is no value', () => {
  const s = new Series(10);
  s.upsert('qps', 0, 10, { ns1: { data: { qps: null } }, ns2: { data: null }, ns3: { data: 'x' }, ns4: {} });
  s.upsert('qps', NaN, 10, q({ ns1: 1 }));
  expect(columns(s.sorted(), ['ns1'])[1]).toEqual([null]);
  expect(now(s.sorted(), ['ns1'])).toEqual({ qps: undefined, aps: undefined, servers: [], silent: ['ns1'] });
});

test('now adds each server’s newest window, and leaves out the silent', () => {
  const s = new Series(10);
  for (let t = 0; t < 100; t += 10) s.upsert('qps', t, t + 10, t < 50 ? q({ ns1: 1, ns2: 10, ns3: 100 }) : q({ ns1: 1, ns2: 10 }));
  s.upsert('qps', 100, 110, q({ ns1: 2 })); // ns2 has not reported it yet
  expect(now(s.sorted(), ['ns1', 'ns2', 'ns3'])).toEqual({ qps: 12, aps: undefined, servers: ['ns1', 'ns2'], silent: ['ns3'] });
  expect(now([], ['ns1']).qps).toBeUndefined();
});

test('queries between two times', () => {
  const s = new Series(10);
  for (let t = 0; t < 100; t += 10) s.upsert('qps', t, t + 10, q({ ns1: 1, ns2: 10 }));
  expect(s.queriesBetween(20, 40, '')).toBe(220);
  expect(s.queriesBetween(20, 40, 'ns1')).toBe(20);
  expect(s.queriesBetween(200, 400, '')).toBeUndefined();
});

test('live windows of a second after a query in steps of ten add up in those steps', () => {
  const s = new Series(10);
  // 23 s of traffic: the last step is not over.
  s.refill('qps', answer(0, 23, [[0, 10, { ns1: 1 }], [10, 20, { ns1: 2 }], [20, 30, { ns1: 3 }]]));
  expect([ends(s), line(s)]).toEqual([[10, 20, 23], [1, 2, 3]]);
  for (let t = 23; t < 34; t++) {
    expect(s.upsert('qps', t, t + 1, q({ ns1: t < 30 ? 10 : t }))).toBe(true);
    ascends(s);
    expect(ends(s).at(-1)).toBe(t + 1);
  }
  expect([ends(s), line(s)]).toEqual([[10, 20, 30, 34], [1, 2, (3 * 3 + 7 * 10) / 10, 31.5]]);
  expect(s.queriesBetween(20, 31, '')).toBe(3 * 3 + 7 * 10 + 30);
  // A window that a sum has in it already is not counted twice; the caller asks again.
  expect(s.upsert('qps', 15, 16, q({ ns1: 99 }))).toBe(false);
  expect(s.upsert('qps', 22, 23, q({ ns1: 99, ns2: 5 }))).toBe(false);
  expect([line(s), line(s, 'ns2')]).toEqual([[1, 2, 7.9, 31.5], [null, null, 5, null]]);
  s.refill('qps', answer(4, 34, [[0, 10, { ns1: 1.5 }], [10, 20, { ns1: 2 }], [20, 30, { ns1: 7.9, ns2: 5 }], [30, 40, { ns1: 31.5 }]]));
  expect([ends(s), line(s)]).toEqual([[10, 20, 30, 34], [1.5, 2, 7.9, 31.5]]);
});

test('the chart changes to windows of a second, and back', () => {
  const s = new Series(10);
  s.refill('qps', answer(0, 20, [[0, 10, { ns1: 1 }], [10, 20, { ns1: 2 }]]));
  s.upsert('qps', 20, 21, q({ ns1: 9 }));
  s.step = 1; // what was told in sums is asked for again
  expect([ends(s), line(s)]).toEqual([[21], [9]]);
  s.refill('qps', answer(17, 21, [[17, 18, { ns1: 1 }], [18, 19, { ns1: 3 }], [20, 21, { ns1: 9 }]]));
  expect([columns(s.sorted(), ['ns1'])[0], line(s)]).toEqual([[18, 19, 20, 21], [1, 3, null, 9]]);
  s.step = 5;
  expect([ends(s), line(s)]).toEqual([[20, 21], [2, 9]]);
  ascends(s);
});

test('servers that appear later, and windows of a number of messages, keep their order', () => {
  const s = new Series(5);
  s.refill('qps', answer(0, 7, [[0, 5, { ns1: 1 }], [5, 10, { ns1: 2 }]]));
  s.upsert('qps', 6, 7, q({ ns1: 2, ns2: 4 }));
  expect(line(s, 'ns2')).toEqual([null, 4]);
  s.upsert('qps', 9.25, 13.75, q({ ns1: 5 })); // begins before 10, ends after
  s.upsert('qps', 13.75, 14, q({ ns1: 8 }));
  s.upsert('qps', 11, 31, q({ ns2: 1 }));
  ascends(s);
  expect(ends(s)).toEqual([5, 10, 15]);
});

test.each([
  [600, undefined, 1], [1800, undefined, 5], [3600, undefined, 10], [600, 1, 1], [3600, 1, 10], [600, 0.1, 1], [1800, 2, 4],
  [600, 10, 10], [3600, 10, 10], [3600, 60, 60],
])('steps of %d s in windows of %s s are %d s', (span, own, want) => expect(stepFor(span, own)).toBe(want));

test('the length of windows is taken from the answers', () => {
  const has = (...spans: [number, number][]) => [answer(0, 100, spans.map(([a, b]) => [a, b, {}]))];
  expect(resolution([], 1, 600)).toEqual({ step: 1, again: false });
  expect(resolution(has([0, 1], [1, 2]), 1, 600)).toEqual({ step: 1, again: false });
  expect(resolution(has([0, 10], [10, 20]), 1, 600)).toEqual({ step: 10, again: false });
  expect(resolution(has([0, 7], [14, 21]), 1, 600)).toEqual({ step: 7, again: false });
  // Some monitors with windows of a second, some with ten; and windows of a number of messages.
  expect(resolution(has([0, 10], [1, 2], [2, 3]), 1, 600)).toEqual({ step: 10, again: true });
  expect(resolution(has([0.5, 4.2], [4.2, 7.9]), 1, 600)).toEqual({ step: 5, again: true });
  expect(resolution(has([0.5, 90], [4, 5]), 1, 600)).toEqual({ step: 10, again: true });
});

test('the axis grows with the data, from a minute to the range', () => {
  const w = (start: number, end: number): Window => ({ start, end, lost: 0, servers: new Map() });
  expect(extent([], 600, 1)).toBeUndefined();
  expect(extent([w(100, 101)], 600, 1)).toEqual([41, 101]);
  expect(extent([w(100, 101), w(249, 250)], 600, 1)).toEqual([100, 250]);
  expect(extent([w(100, 101), w(799, 800)], 600, 1)).toEqual([200, 800]);
  expect(extent([w(60, 120)], 600, 60)).toEqual([-240, 120]);
});
