import { expect, test } from 'vitest';
import type { Answer, Part } from './api';
import { columns, keepSeconds, now, queriesBetween, Series } from './series';

const q = (by: Record<string, number>): Record<string, Part> =>
  Object.fromEntries(Object.entries(by).map(([s, qps]) => [s, { data: { qps } }]));
const a = (by: Record<string, number>): Record<string, Part> =>
  Object.fromEntries(Object.entries(by).map(([s, aps]) => [s, { data: { aps } }]));

test('a missing window is a gap, a missing server null, and nothing a zero', () => {
  const s = new Series();
  s.upsert('qps', 0, 10, 0, q({ ns1: 1, ns2: 2 }));
  s.upsert('aps', 0, 10, 0, a({ ns1: 0.5 }));
  s.upsert('qps', 10, 20, 0, q({ ns1: 3 }));
  s.upsert('qps', 40, 50, 0, q({ ns1: 5, ns2: 6 }));
  expect(columns(s.sorted(), ['ns1', 'ns2'])).toEqual([
    [10, 20, 35, 50],
    [1, 3, null, 5],
    [0.5, null, null, null],
    [2, null, null, 6],
    [null, null, null, null],
  ]);
});

test('a window told again replaces the first telling', () => {
  const s = new Series();
  s.upsert('qps', 0, 10, 0, q({ ns1: 1, ns2: 2 }));
  s.upsert('aps', 0, 10, 0, a({ ns1: 7 }));
  s.upsert('qps', 0, 10, 3, q({ ns1: 4 }));
  expect(s.sorted()).toHaveLength(1);
  expect(s.sorted()[0]!.lost).toBe(3);
  expect(Object.fromEntries(s.sorted()[0]!.servers)).toEqual({ ns1: { qps: 4, aps: 7 }, ns2: {} });
});

test('a refill forgets what Jerry no longer tells, and keeps what is newer', () => {
  const s = new Series();
  s.upsert('qps', 0, 10, 0, q({ ns1: 1 }));
  s.upsert('qps', 10, 20, 0, q({ ns1: 2 }));
  s.upsert('qps', 20, 30, 0, q({ ns1: 3 }));
  const time = (t: number) => new Date(t * 1000).toISOString();
  const answer: Answer = {
    type: 'QueriesPerSecond', from: time(0), to: time(20),
    series: [{ start: time(10), end: time(20), by: q({ ns1: 9 }) }],
  };
  s.refill('qps', answer);
  expect(columns(s.sorted(), ['ns1'])).toEqual([[20, 30], [9, 3], [null, null]]);
});

test('an hour is kept, no more', () => {
  const s = new Series();
  for (let t = 0; t < 3 * keepSeconds; t += 10) s.upsert('qps', t, t + 10, 0, q({ ns1: t }));
  expect(s.sorted()).toHaveLength(keepSeconds / 10);
  expect(s.sorted()[0]!.start).toBe(2 * keepSeconds);
});

test('a value that is no number is no value', () => {
  const s = new Series();
  s.upsert('qps', 0, 10, 0, { ns1: { data: { qps: null } }, ns2: { data: null }, ns3: { data: 'x' }, ns4: {} });
  s.upsert('qps', NaN, 10, 0, q({ ns1: 1 }));
  expect(columns(s.sorted(), ['ns1'])[1]).toEqual([null]);
  expect(now(s.sorted(), ['ns1'])).toEqual({ qps: undefined, aps: undefined, servers: [], silent: ['ns1'] });
});

test('now adds each server’s newest window, and leaves out the silent', () => {
  const s = new Series();
  for (let t = 0; t < 100; t += 10) s.upsert('qps', t, t + 10, 0, t < 50 ? q({ ns1: 1, ns2: 10, ns3: 100 }) : q({ ns1: 1, ns2: 10 }));
  s.upsert('qps', 100, 110, 0, q({ ns1: 2 })); // ns2 has not reported it yet
  expect(now(s.sorted(), ['ns1', 'ns2', 'ns3'])).toEqual({ qps: 12, aps: undefined, servers: ['ns1', 'ns2'], silent: ['ns3'] });
  expect(now([], ['ns1']).qps).toBeUndefined();
});

test('queries between two times', () => {
  const s = new Series();
  for (let t = 0; t < 100; t += 10) s.upsert('qps', t, t + 10, 0, q({ ns1: 1, ns2: 10 }));
  expect(queriesBetween(s.sorted(), 20, 40, '')).toBe(220);
  expect(queriesBetween(s.sorted(), 20, 40, 'ns1')).toBe(20);
  expect(queriesBetween(s.sorted(), 200, 400, '')).toBeUndefined();
});
