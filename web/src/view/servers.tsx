import type { Server } from '../api';
import { playing, server, servers, sinceServers } from '../store';
import { count, dateTime, duration, epoch, isNumber, rate } from '../format';
import { colour } from './colours';
import { padding, Panel } from './panel';

const rowsShown = 10;

/**
 * A partial window is the first or last of a run: its monitor began or ended in
 * it. The rates beside it are those of a complete one, so it deserves no alarm.
 */
function lastSeen(s: Server): string {
  const end = `newest window ended ${dateTime(epoch(s.lastSeen))}`;
  return s.partial ? `${end} and is partial: the monitor began or ended in it` : end;
}

export function ServersPanel() {
  const list = servers.value;
  const past = playing.value;
  const least = Math.min(...list.map((s) => s.lag ?? Infinity));
  return (
    <Panel id="servers" title="Servers" class="servers" note={list.length > 0 ? `${list.length} known · choose one to see it alone` : ''}>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of servers">
        <table>
          <caption class="hidden">Each server’s newest window: how far behind, its rates, and what is missing</caption>
          <colgroup>
            <col class="c-server" />
            <col class="c-lag" />
            <col class="c-rate" />
            <col class="c-rate" />
            <col class="c-rate wide" />
            <col class="c-small" />
            <col class="c-small" />
          </colgroup>
          <thead>
            <tr>
              <th scope="col">Server</th>
              <th scope="col" class="num">Behind</th>
              <th scope="col" class="num">Queries/s</th>
              <th scope="col" class="num"><abbr title="Responses per second">Resp./s</abbr></th>
              <th scope="col" class="num wide"><abbr title="Messages per second">Msgs/s</abbr></th>
              <th scope="col" class="num">Lost</th>
              <th scope="col" class="num"><abbr title="Malformed messages">Malf.</abbr></th>
            </tr>
          </thead>
          <tbody>
            {list.map((s, i) => {
              // In the past, only how far a server is behind the others says anything.
              const behind = isNumber(s.lag) ? (past ? s.lag - least : s.lag + sinceServers.value) : NaN;
              return (
                <tr key={i} data-key={s.server} class={server.value === s.server ? 'chosen' : ''}>
                  <th scope="row">
                    <button
                      type="button"
                      aria-pressed={server.value === s.server}
                      title={s.server}
                      onClick={() => (server.value = server.value === s.server ? '' : s.server)}
                    >
                      <span class="swatch" style={{ background: colour(s.server) }} />
                      <span class="cut">{s.server}</span>
                    </button>
                  </th>
                  <td class={`num ${behind > 60 ? 'alarm' : ''}`} title={lastSeen(s)}>
                    {duration(behind)}
                  </td>
                  <td class="num">{rate(s.rates?.queries)}</td>
                  <td class="num">{rate(s.rates?.responses)}</td>
                  <td class="num wide">{rate(s.rates?.messages)}</td>
                  <td class={`num ${(s.lost ?? 0) > 0 ? 'alarm' : ''}`}>{count(s.lost)}</td>
                  <td class="num">{count(s.malformed)}</td>
                </tr>
              );
            })}
            {padding(list.length, rowsShown)}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
