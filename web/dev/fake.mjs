// A fake Jerry with invented data, to work on the page without any traffic:
//
//     npm run fake          # listens on localhost:8053
//     npm run dev           # in another terminal
//
// Options: --port N, --length SECONDS (of a window), --past (data of 2016),
// --empty (nothing heard yet), --missing (only the rates are heard), --page
// (serves ../dist too), --history MINUTES, --servers N.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';

const args = process.argv.slice(2);
const flag = (name) => args.includes(`--${name}`);
const option = (name, def) => (args.includes(`--${name}`) ? Number(args[args.indexOf(`--${name}`) + 1]) : def);
const port = option('port', 8053);
const length = option('length', 10);
const history = option('history', 12) * 60;
const shift = flag('past') ? Date.now() / 1000 - Date.parse('2016-10-06T13:55:10Z') / 1000 : 0;

const clock = () => Date.now() / 1000 - shift;
const iso = (s) => new Date(s * 1000).toISOString().replace('.000Z', 'Z');
const began = Math.floor((clock() - history) / length) * length;

// Every number follows from the window and the server, so that asking twice tells the same.
function random(...seed) {
  let h = 2166136261;
  for (const c of seed.join('/')) h = Math.imul(h ^ c.charCodeAt(0), 16777619);
  h = Math.imul(h ^ (h >>> 15), 2246822507);
  h = Math.imul(h ^ (h >>> 13), 3266489909);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

const servers = ['ns1', 'ns2', 'santiago-3'];
const base = { ns1: 430, ns2: 290, 'santiago-3': 160 };
for (let i = 4; i <= option('servers', 3); i++) {
  servers.push(`anycast-${i}.example.net`);
  base[servers[i - 1]] = 40 + 37 * i;
}
// ns2 said nothing for a minute, five minutes after the beginning; all were silent a little later.
const silent = (server, start) =>
  (server === 'ns2' && start >= began + 300 && start < began + 360) || (start >= began + 480 && start < began + 500);
const lost = (server, start) => (server === 'ns1' && Math.floor((start - began) / length) === 20 ? 37 : 0);

function rates(server, start) {
  const t = start / 60;
  const b = base[server];
  const q = b * (1 + 0.18 * Math.sin(t / 3 + b) + 0.1 * Math.sin(t * 1.7 + b)) + b * 0.08 * (random(server, start) - 0.5);
  const attack = server === 'santiago-3' && start % 900 > 600 && start % 900 < 700 ? 240 : 0;
  const qps = q + attack;
  return { qps, aps: q * (0.985 + 0.01 * random('a', server, start)) + attack * 0.4 };
}

const hostile = [
  '<img src=x onerror=alert(1)>.example.',
  'a'.repeat(63) + '.' + 'b'.repeat(63) + '.' + 'c'.repeat(63) + '.\\000\\255\\.' + 'd'.repeat(40) + '.example.org.',
  '.',
];
const popular = ['www.example.cl.', 'ns1.example.org.', 'mail.example.cl.', 'api.cdn.example.net.', 'example.com.',
  'static.images.shop.example.', 'login.bank.example.', '_dmarc.example.org.', 'xn--caf-dma.example.',
  'time.example.net.', 'a.very.long.but.honest.name.of.a.service.in.a.data.centre.example.org.'];
const names = [...popular.slice(0, 4), hostile[0], ...popular.slice(4, 7), hostile[1], hostile[2], ...popular.slice(7)];

const hex = (...seed) => Math.floor(random(...seed) * 4294967296).toString(16).padStart(8, '0').toUpperCase();
const client = (...seed) =>
  random('v6', ...seed) < 0.35 ? '20010DB8' + hex(1, ...seed) + hex(2, ...seed) + hex(3, ...seed) : hex(...seed);
const serverAddress = { ns1: 'C0000201', ns2: 'C0000202', 'santiago-3': '20010DB8000000000000000000000053' };
for (const s of servers) serverAddress[s] ??= 'C6336401';

const reducers = {
  QueriesPerSecond: { shape: 'rate', data: (s, w) => ({ qps: rates(s, w).qps }), merge: (d) => ({ qps: sum(d, 'qps') }) },
  AnswersPerSecond: { shape: 'rate', data: (s, w) => ({ aps: rates(s, w).aps }), merge: (d) => ({ aps: sum(d, 'aps') }) },
  TopNQ: {
    shape: 'top',
    data: (s, w) => names.map((n, i) => [n, Math.round((base[s] * length * 0.11) / (i + 1) + 12 * random(n, s, w))]),
    merge: (lists) => {
      const m = new Map();
      for (const [n, c] of lists.flat()) m.set(n, (m.get(n) ?? 0) + c);
      return [...m].sort((a, b) => b[1] - a[1]);
    },
  },
  QueriesWithUnderscoredName: {
    shape: 'list',
    data: (s, w) => {
      const out = {};
      ['MAL_FORMED.example.cl.', 'my_host.example.org.', '<b>_bold</b>.example.', 'db_01.intern.example.net.'].forEach((n, i) => {
        if (random(n, s, w) > 0.2 / (i + 1)) return;
        const sender = client(n, s, Math.floor(random(w) * 3));
        out[n.toLowerCase()] = [{ query: { qclass: '1', qtype: ['1', '2', 'f', '6'][i], qname: n }, sender, server: serverAddress[s] }];
      });
      return out;
    },
    merge: (list) => {
      const out = {};
      for (const d of list) for (const [n, l] of Object.entries(d)) (out[n] ??= []).push(...l);
      return out;
    },
  },
  MalformedMessages: {
    shape: 'list',
    data: (s, w) => {
      const out = [];
      const reasons = ['pointer', 'truncated-question', 'label-type', 'truncated-record'];
      reasons.forEach((reason, i) => {
        if (random(reason, s, w) > 0.1 / (i + 1)) return;
        const m = { source: client(reason, s, Math.floor(random(w, 'x') * 2)), dest: serverAddress[s], id: '2e13', flags: i === 3 ? '8180' : '100' };
        if (i !== 1) m.queries = [{ qname: i === 0 ? hostile[0] : popular[i], qtype: i === 2 ? 'ff78' : '1', qclass: i === 2 ? '3' : '1' }];
        out.push({ ...m, time: w + random(s, w) * length, transport: i === 2 ? 'tcp' : 'udp', sport: 1234, dport: 53, size: 40, malformed: { reason, offset: 12 } });
      });
      return out;
    },
    merge: (lists) => lists.flat(),
  },
};
if (flag('missing')) for (const t of ['TopNQ', 'QueriesWithUnderscoredName', 'MalformedMessages']) delete reducers[t];

const sum = (list, key) => list.reduce((t, d) => t + d[key], 0);

function part(type, list, starts) {
  const r = reducers[type];
  const seen = starts.flatMap((w) => list.filter((s) => !silent(s, w)).map((s) => [s, w]));
  if (seen.length === 0) return null;
  let data = r.merge(seen.map(([s, w]) => r.data(s, w)));
  if (r.shape === 'rate') data = Object.fromEntries(Object.entries(data).map(([k, v]) => [k, v / starts.length]));
  const bad = reducers.MalformedMessages ? seen.reduce((n, [s, w]) => n + reducers.MalformedMessages.data(s, w).length, 0) : 0;
  return {
    messages: Math.round(seen.reduce((n, [s, w]) => n + (rates(s, w).qps + rates(s, w).aps) * length, 0)),
    malformed: bad,
    lost: seen.reduce((n, [s, w]) => n + lost(s, w), 0),
    data,
  };
}

const newest = () => Math.floor((clock() - 1) / length) * length; // end of the newest closed window
const blank = { messages: 0, malformed: 0, lost: 0, data: null };

function answer(type, from, to, { by, step, top, only }) {
  const list = only.length > 0 ? servers.filter((s) => only.includes(s)) : servers;
  const starts = [];
  for (let w = from; w < to; w += length) starts.push(w);
  const cut = (p) => (p && top && Array.isArray(p.data) && reducers[type].shape === 'top' ? { ...p, data: p.data.slice(0, top) } : p);
  const split = (ws) => Object.fromEntries(list.map((s) => [s, cut(part(type, [s], ws))]).filter(([, p]) => p));
  const out = { type, from: iso(from), to: iso(to), servers: list, ...(cut(part(type, list, starts)) ?? blank), error: 0, lag: Date.now() / 1000 - to };
  if (step) {
    out.series = starts.flatMap((w) => {
      const p = part(type, list, [w]);
      return p ? [{ start: iso(w), end: iso(w + length), ...p, ...(by ? { by: split([w]) } : {}) }] : [];
    });
  }
  if (by) out.by = split(starts);
  return out;
}

const live = new Set();
let id = 0;
let told = newest();
setInterval(() => {
  const to = newest();
  if (to <= told || flag('empty')) return;
  told = to;
  for (const c of live) {
    for (const type of c.types) {
      if (reducers[type]) c.res.write(`id: ${++id}\nevent: window\ndata: ${JSON.stringify(answer(type, to - length, to, { by: c.by, only: [] }))}\n\n`);
    }
  }
}, 200);

const content = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };

createServer(async (req, res) => {
  const url = new URL(req.url, 'http://localhost');
  const q = url.searchParams;
  const json = (v, status = 200) => {
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(v));
  };
  switch (url.pathname) {
    case '/api/v1/servers': {
      const to = newest();
      if (flag('empty')) return json({ servers: [] });
      return json({
        servers: servers.map((s) => {
          const r = rates(s, to - length);
          const starts = [];
          for (let w = began; w < to; w += length) starts.push(w);
          const p = part('QueriesPerSecond', [s], starts);
          return {
            server: s, lastSeen: iso(to), lag: Date.now() / 1000 - to,
            rates: s === 'santiago-3' ? { queries: r.qps, responses: r.aps } : { messages: r.qps + r.aps, queries: r.qps, responses: r.aps },
            lost: p.lost, malformed: p.malformed, partial: s === 'ns2',
          };
        }),
      });
    }
    case '/api/v1/reducers':
      if (flag('empty')) return json({ reducers: [] });
      return json({ reducers: Object.entries(reducers).map(([type, r]) => ({ type, shape: r.shape, servers, windows: history / length })) });
    case '/api/v1/query': {
      const type = q.get('type');
      if (!reducers[type]) return json({ error: `type ${type}: not heard` }, 404);
      const to = newest();
      const from = Math.max(began, to - parseInt((q.get('from') ?? '-10m').slice(1), 10) * 60);
      return json(answer(type, from, to, { by: q.get('by'), step: q.get('step'), top: Number(q.get('top')) || 0, only: q.getAll('server') }));
    }
    case '/api/v1/live': {
      res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      res.write(': hello\n\n');
      const c = { res, types: q.getAll('type'), by: q.get('by') };
      live.add(c);
      req.on('close', () => live.delete(c));
      return;
    }
  }
  if (flag('page')) {
    const name = url.pathname === '/' ? 'index.html' : url.pathname.slice(1);
    if (/^[a-z]+\.(html|js|css|svg)$/.test(name)) {
      try {
        const body = await readFile(new URL(`../dist/${name}`, import.meta.url));
        res.writeHead(200, {
          'content-type': content[name.split('.')[1]],
          'content-security-policy': "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'",
        });
        return res.end(body);
      } catch {
        // falls through to 404
      }
    }
  }
  res.writeHead(404).end('not found\n');
}).listen(port, '127.0.0.1', () => console.error(`fake Jerry on http://localhost:${port}/`));
