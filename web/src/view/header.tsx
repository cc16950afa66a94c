import { asOf, connection, current, lag, playing, range, serverNames, sinceArrival, stale, totals } from '../store';
import { clock, count, dateTime, duration, percent, rate } from '../format';
import { setTheme, theme, type Theme } from '../theme';
import { Choice } from './choice';

export function Header() {
  return (
    <header>
      <h1>
        <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="7" />
          <path d="M4 19h5l3-10 5 15 4-11 2 6h5" />
        </svg>
        RaTA DNS
      </h1>
      <DataTime />
      <Connection />
      <Choice
        label="Theme"
        name="theme"
        value={theme.value}
        options={[['auto', 'Auto'], ['light', 'Light'], ['dark', 'Dark']] as const}
        onChange={(t: Theme) => setTheme(t)}
      />
    </header>
  );
}

const words = {
  connecting: 'Connecting',
  waiting: 'Waiting for data',
  connected: 'Connected',
  reconnecting: 'Reconnecting',
};

/** Text changes only with the state, so a screen reader is told seldom. */
function Connection() {
  return (
    <p class="connection" role="status" data-testid="connection" data-state={connection.value}>
      <span class="dot" aria-hidden="true" />
      {words[connection.value]}
    </p>
  );
}

const halfDay = 43_200;

/** What time the numbers are of. */
function DataTime() {
  const at = asOf.value;
  if (!Number.isFinite(at)) return <p class="datatime">no data yet</p>;
  const behind = lag.value;
  const quiet = sinceArrival.value;
  if (playing.value) {
    return (
      <p class="datatime past" data-testid="as-of">
        <span>playing the past: </span>
        <time dateTime={new Date(at * 1000).toISOString()}>{dateTime(at)}</time>
        {quiet !== undefined && quiet > 60 && <span class="aside"> no new window for {duration(quiet)}</span>}
      </p>
    );
  }
  return (
    <p class={`datatime ${stale.value ? 'stale' : ''}`} data-testid="as-of">
      <span>as of </span>
      <time dateTime={new Date(at * 1000).toISOString()}>{behind > halfDay ? dateTime(at) : `${clock(at)}Z`}</time>
      <span class="aside lagging">{duration(behind)} behind</span>
    </p>
  );
}

export function Totals() {
  const { qps, aps, servers, silent } = current.value;
  const t = totals.value;
  const known = serverNames.value.length;
  const span = `last ${range.value} min`;
  return (
    <section class={`totals ${stale.value ? 'stale' : ''}`} aria-label="Totals over all servers">
      <Total label="Queries per second" value={rate(qps)} testid="total-queries">
        <span class={silent.length > 0 ? 'warn' : ''} title={silent.length > 0 ? `silent: ${silent.join(', ')}` : undefined}>
          {known === 0 ? ' ' : `${servers.length} of ${known} servers reporting`}
        </span>
      </Total>
      <Total label="Responses per second" value={rate(aps)} testid="total-responses">
        {qps !== undefined && aps !== undefined ? `${percent(aps, qps)} of queries` : ' '}
      </Total>
      <Total label="Malformed messages" value={count(t?.malformed)} testid="total-malformed">
        {t ? `${percent(t.malformed, t.messages)} of ${count(t.messages)}, ${span}` : ' '}
      </Total>
      <Total label="Lost messages" value={count(t?.lost)} alarm={(t?.lost ?? 0) > 0} testid="total-lost">
        {t ? (t.lost > 0 ? `known missing, ${span}` : `none known, ${span}`) : ' '}
      </Total>
    </section>
  );
}

interface TotalProps {
  label: string;
  value: string;
  testid: string;
  alarm?: boolean;
  children: preact.ComponentChildren;
}

function Total({ label, value, testid, alarm, children }: TotalProps) {
  return (
    <div class={`total ${alarm ? 'alarm' : ''}`}>
      <h2>{label}</h2>
      <p class="figure" data-testid={testid}>
        {value}
      </p>
      <p class="note">{children}</p>
    </div>
  );
}
