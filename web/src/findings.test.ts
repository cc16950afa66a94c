import { expect, test } from 'vitest';
import { malformed, topNames, underscored } from './findings';

test('topNames', () => {
  expect(topNames([['b.example.', 5], ['a.example.', 5], ['c.example.', 9]], 2)).toEqual({
    rows: [{ name: 'c.example.', count: 9 }, { name: 'a.example.', count: 5 }], listed: 14, rest: undefined,
  });
  expect(topNames([['a.example.', 5], ['-:SKIPPED:-', 2], ['-:SKIPPED_SUM:-', 7]], 10)).toEqual({
    rows: [{ name: 'a.example.', count: 5 }], listed: 5, rest: 7,
  });
  for (const odd of [null, undefined, 'x', [['a']], [[1, 2]], [null], { a: 'x' }]) expect(topNames(odd, 10).rows).toEqual([]);
});

const message = {
  source: 'BE347435', dest: 'C8107010', id: '2e13', flags: '100',
  queries: [{ qname: '<img src=x onerror=alert(1)>.example.', qtype: '1', qclass: '1' }],
  time: 1475762100.123456789, transport: 'udp', size: 40, malformed: { reason: 'pointer', offset: 12 },
};

test('malformed messages of one kind are one row, with the latest time', () => {
  const rows = malformed([message, { ...message, time: 1475762105 }, { ...message, flags: '8180', queries: undefined }]);
  expect(rows.map((r) => [r.count, r.fault?.words, r.name, r.detail, r.from, r.to, r.last])).toEqual([
    [2, 'Pointer does not point backwards', '<img src=x onerror=alert(1)>.example.', 'A · query · udp', '190.52.116.53', '200.16.112.16', 1475762105],
    [1, 'Pointer does not point backwards', '', 'response · udp', '190.52.116.53', '200.16.112.16', 1475762100.123456789],
  ]);
  expect(new Set(rows.map((r) => r.key)).size).toBe(2);
});

test('a reason that is not known is its own words, and kinds differ by it', () => {
  const of = (reason: string) => ({ ...message, malformed: { reason } });
  expect(malformed([of('label-type'), of('novel'), of('constructor'), of('novel')]).map((r) => [r.count, r.fault?.words, r.fault?.reason])).toEqual([
    [2, 'novel', 'novel'], [1, 'constructor', 'constructor'], [1, 'Label of a type not in use', 'label-type'],
  ]);
});

test('odd malformed messages do not stop the page', () => {
  for (const odd of [null, undefined, {}, 'x', [null, 1, []]]) expect(malformed(odd)).toEqual([]);
  expect(malformed([{}])).toMatchObject([{ fault: { reason: '', words: 'Malformed' }, name: '', detail: 'query', from: '–', to: '–', count: 1 }]);
});

const sample = { query: { qclass: '1', qtype: 'f', qname: 'MAL_FORMED.example.cl.' }, sender: 'BE347435', server: 'C8107010' };
const answer = { type: 'QueriesWithUnderscoredName', from: '2016-10-06T13:55:00Z', to: '2016-10-06T13:55:20Z' };

test('underscored names: as asked, by sender; the time is that of the window', () => {
  const data = { 'mal_formed.example.cl.': [sample, { ...sample, sender: 'C0000201' }] };
  const series = [
    { start: '2016-10-06T13:55:00Z', end: '2016-10-06T13:55:10Z', data },
    { start: '2016-10-06T13:55:10Z', end: '2016-10-06T13:55:20Z', data: { 'mal_formed.example.cl.': [sample] } },
  ];
  expect(underscored({ ...answer, series }).map((r) => [r.count, r.name, r.detail, r.from, r.last])).toEqual([
    [2, 'MAL_FORMED.example.cl.', 'MX', '190.52.116.53', 1475762120],
    [1, 'MAL_FORMED.example.cl.', 'MX', '192.0.2.1', 1475762110],
  ]);
  expect(underscored({ ...answer, data })).toMatchObject([{ count: 1, last: NaN }, { count: 1, last: NaN }]);
  expect(underscored({ ...answer, data: { 'x.': 'y', 'z.': [null] } })).toEqual([]);
});
