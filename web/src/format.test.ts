import { expect, test } from 'vitest';
import { address, clock, count, dateTime, duration, epoch, percent, rate, short, splitName } from './format';
import { qclass, qtype } from './qtype';

test.each([
  ['C0000201', '192.0.2.1'],
  ['c0000201', '192.0.2.1'],
  ['00000000', '0.0.0.0'],
  ['FFFFFFFF', '255.255.255.255'],
  ['20010DB8000000000000000000000001', '2001:db8::1'],
  ['20010DB8000000000001000000000001', '2001:db8::1:0:0:1'], // of equal runs the first
  ['20010DB8000000010001000100010001', '2001:db8:0:1:1:1:1:1'], // one group is not shortened
  ['20010000000000010000000000000001', '2001:0:0:1::1'], // the longer run
  ['00000000000000000000000000000000', '::'],
  ['00000000000000000000000000000001', '::1'],
  ['20010DB8000000000000000000000000', '2001:db8::'],
  ['00000000000000000000FFFFC0000201', '::ffff:192.0.2.1'],
  ['C00002', 'C00002'],
  ['<b>', '<b>'],
  [undefined, '–'],
])('address %s', (hex, want) => expect(address(hex)).toBe(want));

test.each([
  ['1', 'A'], ['1c', 'AAAA'], ['F', 'MX'], ['ff', 'ANY'], ['41', 'HTTPS'], ['ff78', 'TYPE65400'], ['0', 'TYPE0'], ['MX', 'MX'],
  [undefined, ''],
])('qtype %s', (code, want) => expect(qtype(code)).toBe(want));

test('qclass', () => expect(['1', '3', '5'].map(qclass)).toEqual(['IN', 'CH', 'CLASS5']));

test.each([
  [0.4, '0.4 s'], [9.96, '10 s'], [59, '59 s'], [59.97, '1 min'], [192, '3 min 12 s'], [3600, '1 h'], [18_180, '5 h 3 min'],
  [3605, '1 h'], [200_000, '2 d 7 h'], [10.2 * 31_557_600, '10 years'], [-3, '0.0 s'], [NaN, '–'],
])('duration %s', (s, want) => expect(duration(s)).toBe(want));

test('numbers', () => {
  expect([0, 426.34, 9999.9, 12_345.6, null, undefined, NaN].map(rate)).toEqual(
    ['0.0', '426.3', '9,999.9', '12,346', '–', '–', '–']);
  expect([0, 1_234_567, null].map(count)).toEqual(['0', '1,234,567', '–']);
  expect([percent(1, 8), percent(1, 100_000), percent(0, 5), percent(0, 0)]).toEqual(['12.5%', '<0.1%', '0.0%', '–']);
  expect([0, 0.25, 250, 1500, 20_000, 3e6].map(short)).toEqual(['0', '0.25', '250', '1.5k', '20k', '3M']);
});

test('times', () => {
  const t = epoch('2016-10-06T13:55:10Z');
  expect(t).toBe(1475762110);
  expect([clock(t), dateTime(t), clock(NaN), dateTime(1e18)]).toEqual(['13:55:10', '2016-10-06 13:55:10Z', '–', '–']);
});

test.each([
  ['www.example.cl.', 'www.example.cl.', ''],
  ['.', '.', ''],
  [`${'a'.repeat(60)}.shop.example.org.`, 'a'.repeat(60), '.shop.example.org.'],
  ['x'.repeat(100), 'x'.repeat(82), 'x'.repeat(18)],
])('splitName %s', (name, head, tail) => {
  expect(splitName(name)).toEqual([head, tail]);
  expect(splitName(name).join('')).toBe(name);
});
