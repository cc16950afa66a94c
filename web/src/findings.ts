// Rows of the tables, from the data of the reducers. What does not have the
// expected form is left out: the page must not stop for one odd report.

import type { Answer } from './api';
import { address, epoch, isNumber } from './format';
import { qclass, qtype } from './qtype';

type Dict = Record<string, unknown>;
const isDict = (v: unknown): v is Dict => typeof v === 'object' && v !== null && !Array.isArray(v);
const text = (v: unknown) => (typeof v === 'string' ? v : '');

export interface NameRow {
  name: string;
  count: number;
}

export interface Names {
  rows: NameRow[];
  listed: number; // the sum of the rows
  rest: number | undefined; // the sum of the names left out, where the data tells
}

/** TopNQ: pairs of name and count, the marks of what was left out among them. */
export function topNames(data: unknown, top: number): Names {
  const names: Names = { rows: [], listed: 0, rest: undefined };
  const pairs = Array.isArray(data) ? data : isDict(data) ? Object.entries(data) : [];
  for (const pair of pairs) {
    if (!Array.isArray(pair) || typeof pair[0] !== 'string' || !isNumber(pair[1])) continue;
    const [name, count] = pair as [string, number];
    if (name === '-:SKIPPED:-') continue;
    if (name === '-:SKIPPED_SUM:-') names.rest = count;
    else names.rows.push({ name, count });
  }
  names.rows.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  names.rows.length = Math.min(names.rows.length, top);
  for (const row of names.rows) names.listed += row.count;
  return names;
}

/** Why a message is malformed: the API's word, short words for it, and all of them. */
export interface Fault {
  reason: string;
  words: string;
  explained: string;
}

// In the words of docs/messages.md, "Malformed messages".
const faults: Record<string, readonly [words: string, explained: string]> = {
  'truncated-name': ['Name runs past the end', 'The message ends inside a name'],
  'truncated-question': ['Question is cut short', 'The message ends inside its question, or has fewer questions than its header promises'],
  'truncated-record': ['Record is cut short or missing', 'The message ends inside a record, or has fewer records than its header promises'],
  'truncated-rdata': ['Record data runs past the end', 'A record’s RDLENGTH runs past the end of the message'],
  'label-type': ['Label of a type not in use', 'A label begins with the bits 01 or 10, which mean nothing any more (RFC 6891 §5)'],
  pointer: ['Pointer does not point backwards', 'A compression pointer does not point backwards (RFC 1035 §4.1.4), or a name has over 127 of them'],
  'name-too-long': ['Name is longer than 255 octets', 'A name is longer than 255 octets (RFC 1035 §2.3.4)'],
  'edns-option': ['EDNS option overruns its record', 'An EDNS option runs past the end of its OPT record (RFC 6891 §6.1.2)'],
  'edns-repeated': ['More than one OPT record', 'A message may have one OPT record (RFC 6891 §6.1.1)'],
  other: ['Malformed for another reason', 'The program that recorded it calls it malformed, for a reason of its own'],
};

function fault(reason: string): Fault {
  const [words, explained] = (Object.hasOwn(faults, reason) && faults[reason]) || [reason || 'Malformed', reason || 'No reason was reported'];
  return { reason, words, explained };
}

/** One kind of trouble: the same name and sort, from one address to another. */
export interface Finding {
  key: string;
  fault?: Fault; // what is wrong with it
  name: string; // the QNAME as asked; empty when none could be read
  detail: string; // QTYPE, query or response, transport
  from: string;
  to: string;
  count: number;
  last: number; // seconds since the epoch; NaN when the report does not tell
}

class Findings {
  private rows = new Map<string, Finding>();

  add(f: Omit<Finding, 'key' | 'count'>) {
    const key = [f.fault?.reason, f.detail, f.name, f.from, f.to].join('|');
    const row = this.rows.get(key);
    if (!row) {
      this.rows.set(key, { ...f, key, count: 1 });
      return;
    }
    row.count++;
    if (!(row.last >= f.last)) row.last = f.last;
  }

  /** Most frequent first, of equals the latest. */
  sorted(): Finding[] {
    return [...this.rows.values()].sort(
      (a, b) => b.count - a.count || (b.last || 0) - (a.last || 0) || (a.key < b.key ? -1 : 1),
    );
  }
}

function question(q: unknown): { name: string; type: string } {
  if (!isDict(q)) return { name: '', type: '' };
  const cls = qclass(text(q['qclass']));
  const type = qtype(text(q['qtype']));
  return { name: text(q['qname']), type: cls && cls !== 'IN' ? `${type} ${cls}`.trim() : type };
}

/** MalformedMessages: Speedy's messages, each with what is wrong with it. */
export function malformed(data: unknown): Finding[] {
  const found = new Findings();
  for (const m of Array.isArray(data) ? data : []) {
    if (!isDict(m)) continue;
    const bad = isDict(m['malformed']) ? m['malformed'] : {};
    const { name, type } = question(Array.isArray(m['queries']) ? m['queries'][0] : undefined);
    const kind = parseInt(text(m['flags']) || '0', 16) & 0x8000 ? 'response' : 'query';
    found.add({
      fault: fault(text(bad['reason'])),
      name,
      detail: [type, kind, text(m['transport'])].filter(Boolean).join(' · '),
      from: address(text(m['source'])),
      to: address(text(m['dest'])),
      last: isNumber(m['time']) ? m['time'] : NaN,
    });
  }
  return found.sorted();
}

/**
 * QueriesWithUnderscoredName: by name, who asked whom. Its samples carry no
 * time, so the last one's is the end of its window, where the answer is a series.
 */
export function underscored(answer: Answer): Finding[] {
  const found = new Findings();
  const add = (data: unknown, last: number) => {
    if (!isDict(data)) return;
    for (const [key, samples] of Object.entries(data)) {
      for (const s of Array.isArray(samples) ? samples : []) {
        if (!isDict(s)) continue;
        const { name, type } = question(s['query']);
        found.add({
          name: name || key,
          detail: type,
          from: address(text(s['sender'])),
          to: address(text(s['server'])),
          last,
        });
      }
    }
  };
  if (answer.series) for (const step of answer.series) add(step.data, epoch(step.end));
  else add(answer.data, NaN);
  return found.sorted();
}
