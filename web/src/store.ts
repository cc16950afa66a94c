// The page's state and the traffic that keeps it: queries fill it, the live
// stream moves it on, and after a break queries fill it again.

import { batch, computed, effect, signal } from '@preact/signals';
import type { Answer, Part, Reducer, Server } from './api';
import { apiURL, getReducers, getServers, query } from './api';
import { epoch } from './format';
import { malformed, topNames, underscored, type Finding, type NameRow } from './findings';
import { aligned, now, resolution, Series, stepFor, type Kind, type Window } from './series';

export const types = {
  qps: 'QueriesPerSecond',
  aps: 'AnswersPerSecond',
  names: 'TopNQ',
  underscored: 'QueriesWithUnderscoredName',
  malformed: 'MalformedMessages',
} as const;

export const topRows = 10;
export const ranges = [10, 30, 60] as const; // minutes

/** What a table shows, with how its query went. */
export interface Table<Row> {
  rows: Row[];
  total: number | undefined; // what the rows are a part of
  error: number; // bound of the error of any count
  from: number;
  to: number;
}

export type Connection = 'connecting' | 'waiting' | 'connected' | 'reconnecting';

// What the user chose.
export const range = signal<number>(ranges[0]);
export const server = signal(''); // all

// What Jerry said.
export const connection = signal<Connection>('connecting');
export const servers = signal<Server[]>([]);
export const reducers = signal<Reducer[] | undefined>(undefined);
export const windows = signal<Window[]>([]);
export const names = signal<Table<NameRow> | undefined>(undefined);
export const malformedTable = signal<Table<Finding> | undefined>(undefined);
export const underscoredTable = signal<Table<Finding> | undefined>(undefined);
export const failures = signal<Record<string, string>>({}); // by type, what its last query said
/** Of all servers in the range, whichever one is chosen. */
export const totals = signal<{ messages: number; malformed: number; lost: number } | undefined>(undefined);

const heard = computed(() => new Set((reducers.value ?? []).map((r) => r.type)));
export const isHeard = (type: string) => heard.value.has(type);

/** All servers by name: their places, and so their colours, stay. */
export const serverNames = computed(() => {
  const all = new Set(servers.value.map((s) => s.server));
  for (const w of windows.value) for (const name of w.servers.keys()) all.add(name);
  return [...all].sort();
});

/** The windows within the range shown. */
export const shown = computed(() => {
  const all = windows.value;
  const newest = all[all.length - 1];
  return newest ? all.filter((w) => w.end > newest.end - range.value * 60) : [];
});

export const current = computed(() => now(windows.value, serverNames.value));

// How far the data is behind the clock: what Jerry said last, and how long ago
// that was by our own clock, which may be wrong but runs.
const heardAt = signal({ at: 0, lag: NaN, asOf: NaN });
const tick = signal(performance.now());
export const asOf = computed(() => heardAt.value.asOf);
export const lag = computed(() => heardAt.value.lag + Math.max(0, tick.value - heardAt.value.at) / 1000);
/** Seconds since the newest window arrived; undefined before the first one did. */
const arrivedAt = signal<number | undefined>(undefined);
export const sinceArrival = computed(() =>
  arrivedAt.value === undefined ? undefined : Math.max(0, tick.value - arrivedAt.value) / 1000,
);

const serversAt = signal(0);
/** Seconds to add to the servers' lags, as they were when Jerry told them. */
export const sinceServers = computed(() => Math.max(0, tick.value - serversAt.value) / 1000);

/**
 * Far behind the clock, an old capture is being played as long as windows keep
 * arriving; when none do, the monitors may have died.
 */
export const playing = computed(() => {
  const quiet = sinceArrival.value;
  return lag.value > 86_400 || (lag.value > 3600 && quiet !== undefined && quiet < 120);
});
/** The numbers are of a minute ago or more, and nobody meant them to be. */
export const stale = computed(() => lag.value > 60 && !playing.value);

function noteTime(asOf: number, lag: number | null | undefined, live: boolean) {
  if (!Number.isFinite(asOf)) return;
  const known = heardAt.peek();
  if (live && !(asOf <= known.asOf)) arrivedAt.value = performance.now();
  if (asOf < known.asOf && known.asOf - asOf < 86_400) return; // late; a replay begun anew is not
  heardAt.value = { at: performance.now(), asOf, lag: lag ?? Date.now() / 1000 - asOf };
}

const series = new Series();
const kinds: Record<string, Kind> = { [types.qps]: 'qps', [types.aps]: 'aps' };
/** Length of the chart's windows in seconds. */
export const resolved = signal(series.step);
// Length of the monitors' own windows, and the longest that came since the last
// refill: a monitor begun anew may have shorter ones.
let own: number | undefined;
let longest = 0;
let unfilled = false; // the last refill failed, or half of it

function publish() {
  batch(() => {
    resolved.value = series.step;
    windows.value = series.sorted();
  });
}

/** After a break hundreds of windows come at once. */
let publishing: ReturnType<typeof setTimeout> | undefined;
function publishSoon() {
  publishing ??= setTimeout(() => {
    publishing = undefined;
    publish();
  }, 30);
}

// Steps

async function loadServers() {
  const list = await getServers();
  batch(() => {
    servers.value = list.sort((a, b) => (a.server < b.server ? -1 : 1));
    serversAt.value = performance.now();
  });
}

async function loadReducers() {
  const list = await getReducers();
  const key = (l: Reducer[] | undefined) => l?.map((r) => r.type).sort().join();
  if (key(list) !== key(reducers.peek())) reducers.value = list;
  else if (reducers.peek() === undefined) reducers.value = list;
}

function settle(type: string, err?: unknown) {
  const { [type]: was, ...rest } = failures.peek();
  const says = err === undefined ? undefined : err instanceof Error ? err.message : String(err);
  if (was !== says) failures.value = says === undefined ? rest : { ...rest, [type]: says };
}

async function ask(type: string, params: Record<string, string | number>, use: (a: Answer) => void) {
  if (!isHeard(type)) return;
  try {
    const answer = await query({ type, from: `-${range.peek()}m`, ...params });
    batch(() => {
      use(answer);
      if (answer.messages && Number.isNaN(asOf.peek())) noteTime(epoch(answer.to), answer.lag, false);
      settle(type);
    });
  } catch (err) {
    settle(type, err);
  }
}

const rateTypes = [types.qps, types.aps] as const;

async function askRates(step: number) {
  const answers = new Map<Kind, Answer>();
  await Promise.all(
    rateTypes.map((type) => ask(type, { by: 'server', step: `${step}s` }, (a) => answers.set(kinds[type]!, a))),
  );
  return answers;
}

async function loadRates() {
  if (longest > 0) own = longest;
  longest = 0;
  const span = range.peek() * 60;
  const asked = stepFor(span, own);
  let answers = await askRates(asked);
  const { step, again } = resolution([...answers.values()], asked, span);
  if (again) answers = await askRates(step);
  unfilled = answers.size < rateTypes.filter(isHeard).length;
  // With half an answer the lines stay as they were rather than get another step.
  if (answers.size === 0 || (unfilled && step !== series.step)) return;
  batch(() => {
    series.step = step;
    for (const [kind, answer] of answers) {
      series.refill(kind, answer);
      const ends = (answer.series ?? []).map((s) => Math.min(epoch(s.end), epoch(answer.to)));
      noteTime(Math.max(...ends, -Infinity), answer.lag, false);
    }
    publish();
  });
}

async function loadTotals() {
  // Both types tell of the same messages; if only one was heard from a server, the larger is nearer.
  const sum = { messages: 0, malformed: 0, lost: 0 };
  let answered = false;
  await Promise.all(
    rateTypes.map((type) =>
      ask(type, {}, (answer) => {
        answered = true;
        for (const k of ['messages', 'malformed', 'lost'] as const) sum[k] = Math.max(sum[k], answer[k] ?? 0);
      }),
    ),
  );
  if (answered) totals.value = sum;
}

function tableOf<Row>(answer: Answer, rows: Row[], total: number | undefined): Table<Row> {
  return { rows, total, error: answer.error ?? 0, from: epoch(answer.from), to: epoch(answer.to) };
}

async function loadTables() {
  const chosen = server.peek();
  const only: Record<string, string> = chosen ? { server: chosen } : {};
  const fresh = () => server.peek() === chosen; // an answer to an older choice comes too late
  await Promise.all([
    loadTotals(),
    ask(types.names, { ...only, top: topRows }, (answer) => {
      if (!fresh()) return;
      const top = topNames(answer.data, topRows);
      const all =
        top.rest !== undefined
          ? top.listed + top.rest
          : series.queriesBetween(epoch(answer.from), epoch(answer.to), chosen);
      names.value = tableOf(answer, top.rows, all === undefined ? undefined : Math.max(all, top.listed));
    }),
    ask(types.malformed, only, (answer) => {
      if (fresh()) malformedTable.value = tableOf(answer, malformed(answer.data), answer.malformed);
    }),
    ask(types.underscored, { ...only, step: `${series.step}s` }, (answer) => {
      if (fresh()) underscoredTable.value = tableOf(answer, underscored(answer), undefined);
    }),
  ]);
}

/**
 * Runs a load soon after it is asked for, and never twice at once. A slow
 * answer makes the next one wait longer: a page must not be a load on Jerry.
 */
function eased(load: () => Promise<void>, least: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = false;
  let again: 'no' | 'soon' | 'now' = 'no';
  let notBefore = 0;
  return function request(atOnce = false) {
    if (running) {
      again = atOnce || again === 'now' ? 'now' : 'soon';
      return;
    }
    if (atOnce) clearTimeout(timer);
    else if (timer !== undefined) return;
    const wait = atOnce ? 0 : Math.max(300, notBefore - performance.now());
    timer = setTimeout(async () => {
      timer = undefined;
      running = true;
      const began = performance.now();
      try {
        await load();
      } catch {
        // The connection state tells; the next tick tries again.
      }
      running = false;
      notBefore = performance.now() + Math.max(least, 5 * (performance.now() - began));
      if (again !== 'no') {
        const atOnce = again === 'now';
        again = 'no';
        request(atOnce);
      }
    }, wait);
  };
}

const refreshServers = eased(loadServers, 2000);
const refreshTables = eased(loadTables, 4000);
const refreshRates = eased(loadRates, 4000);

function refill() {
  refreshRates(true);
  refreshServers(true);
  refreshTables(true);
}

// The live stream

let stream: EventSource | undefined;
let broken = false;

/** Puts a live window into the chart, or sees that a query does. */
function chart(kind: Kind, from: number, to: number, by: Record<string, Part>) {
  if (aligned(from, to)) longest = Math.max(longest, Math.round((to - from) * 1000) / 1000);
  const news = longest > (own ?? 0);
  if (news && stepFor(range.peek() * 60, longest) !== series.step) {
    refreshRates(true); // the windows are not as long as thought
    return;
  }
  if (news) own = longest;
  if (to - from > series.step + 1e-6) {
    refreshRates(); // of a number of messages: Jerry cuts them
    return;
  }
  if (!series.upsert(kind, from, to, by) || unfilled) refreshRates();
  publishSoon();
}

function onWindow(answer: Answer) {
  const kind = kinds[answer.type];
  const from = epoch(answer.from);
  const to = epoch(answer.to);
  batch(() => {
    noteTime(to, answer.lag, true);
    if (kind && to > from) chart(kind, from, to, answer.by ?? {});
  });
  refreshTables();
  refreshServers();
}

function listen(list: string[]) {
  stream?.close();
  stream = undefined;
  if (list.length === 0) return;
  const source = new EventSource(apiURL('live', { type: list, by: 'server' }));
  stream = source;
  source.onopen = () => {
    connection.value = 'connected';
    if (broken) refill();
    broken = false;
  };
  source.onerror = () => {
    broken = true;
    connection.value = 'reconnecting';
    // The browser tries again by itself, unless the answer was no stream at all.
    if (source.readyState === EventSource.CLOSED && source === stream) {
      setTimeout(() => source === stream && listen(list), 3000);
    }
  };
  source.addEventListener('window', (e) => {
    try {
      onWindow(JSON.parse((e as MessageEvent<string>).data) as Answer);
    } catch (err) {
      console.error('live window:', err);
    }
  });
}

export function start() {
  // The stream follows the types that are heard.
  effect(() => {
    const list = Object.values(types).filter((t) => heard.value.has(t));
    listen(list);
    if (list.length > 0) refill();
  });
  let first = true;
  effect(() => {
    void range.value;
    void server.value;
    if (!first) refill();
    first = false;
  });

  const poll = async () => {
    try {
      await loadReducers();
      if (!stream) connection.value = 'waiting';
      if (connection.peek() !== 'connected') refreshServers(true);
    } catch {
      if (connection.peek() !== 'connecting' || performance.now() > 3000) connection.value = 'reconnecting';
    }
    setTimeout(poll, stream ? 15_000 : 3000);
  };
  void poll();
  setInterval(() => (tick.value = performance.now()), 1000);
  setInterval(() => refreshServers(), 10_000);
  setInterval(() => refreshRates(), 60_000); // heals what a reordered answer may have undone
  document.addEventListener('visibilitychange', () => document.hidden || (tick.value = performance.now()));
}
