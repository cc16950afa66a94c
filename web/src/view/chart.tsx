import { batch, useComputed, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { current, range, resolved, server, serverNames, shown, types } from '../store';
import { columns, extent, now } from '../series';
import { clock, date, dateTime, minute, rate, short } from '../format';
import { dark } from '../theme';
import { colour, drawnServers } from './colours';
import { Missing, Panel, unheard } from './panel';

const height = 280;

export function Chart() {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const drawnKey = useComputed(() => JSON.stringify(server.value ? [server.value] : drawnServers.value));
  const cursor = useSignal<number | undefined>(undefined); // end of the window under the cursor

  // Another set of servers or another theme is another plot; new windows are only data.
  useSignalEffect(() => {
    const list = JSON.parse(drawnKey.value) as string[];
    const isDark = dark.value;
    const el = box.current!;
    plot.current?.destroy();
    plot.current = new uPlot(options(el.clientWidth, list, isDark, (x) => (cursor.value = x)), undefined, el);
    setData(plot.current, list);
    batch(() => (cursor.value = undefined));
  });
  useSignalEffect(() => {
    const list = JSON.parse(drawnKey.value) as string[];
    void shown.value;
    if (plot.current) setData(plot.current, list);
  });
  useEffect(() => {
    const el = box.current!;
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: el.clientWidth, height }));
    watch.observe(el);
    return () => {
      watch.disconnect();
      plot.current?.destroy();
    };
  }, []);

  const list = JSON.parse(drawnKey.value) as string[];
  const windows = shown.value;
  const at = cursor.value === undefined ? undefined : windows.find((w) => Math.abs(w.end - cursor.value!) < 1e-6);
  const newest = windows[windows.length - 1];
  const values = (name: string) => {
    if (cursor.value !== undefined) return at?.servers.get(name);
    const one = now(windows, [name]);
    return { qps: one.qps, aps: one.aps };
  };
  const hidden = server.value ? 0 : serverNames.value.length - list.length;
  const missing = unheard([types.qps, types.aps]);
  const note = newest
    ? (missing.length === 1 ? `no monitor reports ${missing[0]} · ` : '') +
      `UTC, ${date(newest.end)}, averages of ${resolved.value} s${hidden > 0 ? ` · the ${list.length} busiest of ${serverNames.value.length} servers` : ''}`
    : '';
  const summary = newest
    ? `Queries and responses per second until ${dateTime(newest.end)}: ` +
      list.map((n) => `${n} ${rate(values(n)?.qps)} and ${rate(values(n)?.aps)}`).join(', ')
    : 'Queries and responses per second: no data yet';

  return (
    <Panel id="chart" title="Queries and responses per second" class="chart" note={note}>
      <Missing of={[types.qps, types.aps]} />
      <div class="plotrow">
        <div
          class="plot"
          ref={box}
          role="img"
          aria-label={summary}
          tabIndex={0}
          onKeyDown={(e) => plot.current && key(e, plot.current)}
          onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
        />
        <div class="legend">
          <table>
            <caption>
              <span class="line" aria-hidden="true" /> queries <span class="line dashed" aria-hidden="true" /> responses{' '}
              <span class="line lost" aria-hidden="true" /> lost
            </caption>
            <thead>
              <tr>
                <th scope="col">
                  <span class={cursor.value === undefined ? '' : 'at'}>
                    {cursor.value === undefined ? 'now' : clock(cursor.value)}
                  </span>
                </th>
                <th scope="col" class="num">
                  Queries
                </th>
                <th scope="col" class="num">
                  Resp.
                </th>
              </tr>
            </thead>
            <tbody>
              {list.map((name) => {
                const v = values(name);
                return (
                  <tr key={name} data-key={name}>
                    <th scope="row" title={name}>
                      <span class="line-up">
                        <span class="swatch" style={{ background: colour(name) }} />
                        <span class="cut">{name}</span>
                      </span>
                    </th>
                    <td class="num">{rate(v?.qps)}</td>
                    <td class="num">{rate(v?.aps)}</td>
                  </tr>
                );
              })}
            </tbody>
            {list.length > 1 && hidden === 0 && (
              <tfoot>
                <tr>
                  <th scope="row">all</th>
                  <td class="num">{rate(cursor.value === undefined ? current.value.qps : sum(at, 'qps'))}</td>
                  <td class="num">{rate(cursor.value === undefined ? current.value.aps : sum(at, 'aps'))}</td>
                </tr>
              </tfoot>
            )}
          </table>
        </div>
      </div>
    </Panel>
  );
}

type At = { servers: Map<string, { qps?: number; aps?: number }> } | undefined;

function sum(w: At, kind: 'qps' | 'aps'): number | undefined {
  let total: number | undefined;
  for (const cell of w?.servers.values() ?? []) {
    const v = cell[kind];
    if (v !== undefined) total = (total ?? 0) + v;
  }
  return total;
}

/** Arrow keys move the cursor from window to window, Home and End to the ends. */
function key(e: KeyboardEvent, u: uPlot) {
  const x = u.data[0];
  if (x.length === 0) return;
  const last = x.length - 1;
  const i = u.cursor.idx ?? last + 1;
  const moves: Record<string, number> = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: last };
  const to = e.key === 'Escape' ? undefined : moves[e.key];
  if (to === undefined && e.key !== 'Escape') return;
  e.preventDefault();
  if (to === undefined) u.setCursor({ left: -10, top: -10 });
  else u.setCursor({ left: u.valToPos(x[Math.min(last, Math.max(0, to))]!, 'x'), top: 10 });
}

function setData(u: uPlot, list: readonly string[]) {
  const windows = shown.peek();
  u.setData(columns(windows, list) as uPlot.AlignedData, false);
  const [from, to] = extent(windows, range.peek() * 60, resolved.peek()) ?? [Date.now() / 1000 - 60, Date.now() / 1000];
  u.batch(() => {
    u.setScale('x', { min: from, max: to });
    let most = 1;
    for (const column of u.data.slice(1)) for (const v of column) if (v != null && v > most) most = v;
    u.setScale('y', { min: 0, max: most * 1.08 });
  });
  const one = server.peek();
  lost.set(u, windows.filter((w) => (one ? w.servers.get(one)?.lost : w.lost)).map((w) => [w.start, w.end]));
}

/** The spans in which messages are known to be missing, marked below the lines. */
const lost = new WeakMap<uPlot, [number, number][]>();

function options(width: number, list: readonly string[], isDark: boolean, onCursor: (x: number | undefined) => void): uPlot.Options {
  const ink = isDark ? '#a3adba' : '#566070';
  const grid = isDark ? '#262d36' : '#e7eaee';
  const bad = isDark ? '#ff8b7e' : '#b3261e';
  const font = '12px system-ui, sans-serif';
  const line = (label: string, server: string, dash?: number[]): uPlot.Series => ({
    label,
    stroke: colour(server),
    width: dash ? 1.5 : 2,
    ...(dash ? { dash } : {}),
    spanGaps: false,
    points: { show: true, size: 5, filter: alone },
  });
  return {
    width,
    height,
    padding: [10, 32, 0, 0],
    legend: { show: false },
    tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), 'Etc/UTC'),
    cursor: { y: false, drag: { setScale: false, x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: true, auto: false }, y: { auto: false, range: (_u, min, max) => [min, max] } },
    axes: [
      {
        stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false }, space: 70, gap: 6, size: 30,
        incrs: [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600],
        values: (_u, splits, _axis, _space, incr) => splits.map((s) => (incr < 60 ? clock(s) : minute(s))),
      },
      {
        stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false }, size: 52, gap: 8, space: 46,
        values: (_u, splits) => splits.map(short),
      },
    ],
    series: [{}, ...list.flatMap((s) => [line(`${s} queries`, s), line(`${s} responses`, s, [4, 4])])],
    hooks: {
      setCursor: [(u) => onCursor(u.cursor.idx == null || (u.cursor.left ?? -1) < 0 ? undefined : u.data[0][u.cursor.idx])],
      drawAxes: [
        (u) => {
          const { ctx, bbox } = u;
          ctx.save();
          ctx.fillStyle = bad;
          for (const [start, end] of lost.get(u) ?? []) {
            const left = Math.max(bbox.left, u.valToPos(start, 'x', true));
            const right = u.valToPos(end, 'x', true);
            if (right > left) ctx.fillRect(left, bbox.top + bbox.height - 4 * devicePixelRatio, right - left, 4 * devicePixelRatio);
          }
          ctx.restore();
        },
      ],
    },
  };
}

/** A window with nothing on either side has no line to be seen by: it gets a dot. */
function alone(u: uPlot, series: number): number[] {
  const y = u.data[series]!;
  const found: number[] = [];
  for (let i = 0; i < y.length; i++) if (y[i] != null && y[i - 1] == null && y[i + 1] == null) found.push(i);
  return found;
}
