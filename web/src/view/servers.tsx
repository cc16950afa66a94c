import { playing, server, servers, sinceServers } from '../store';
import { count, dateTime, duration, epoch, isNumber, rate } from '../format';
import { colour } from './colours';
import { padding, Panel } from './panel';

const rowsShown = 10;

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
            <col class="c-small wide" />
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
              <th scope="col" class="num wide"><abbr title="Messages too late for their window">Late</abbr></th>
            </tr>
          </thead>
          <tbody>
            {list.map((s, i) => {
              // In the past, only how far a server is behind the others says anything.
              const behind = isNumber(s.lag) ? (past ? s.lag - least : s.lag + sinceServers.value) : NaN;
              return (
                <tr key={i} data-key={s.server} class={server.value === s.server ? 'chosen' : ''}>
                  <th scope="row">
                    <div class="line-up">
                      <button
                        type="button"
                        aria-pressed={server.value === s.server}
                        title={s.server}
                        onClick={() => (server.value = server.value === s.server ? '' : s.server)}
                      >
                        <span class="swatch" style={{ background: colour(s.server) }} />
                        <span class="cut">{s.server}</span>
                      </button>
                      {s.partial && (
                        <span class="tag" title="Its newest window is a first or last one and not complete">
                          partial
                        </span>
                      )}
                    </div>
                  </th>
                  <td class={`num ${behind > 60 ? 'alarm' : ''}`} title={`last seen: ${dateTime(epoch(s.lastSeen))}`}>
                    {duration(behind)}
                  </td>
                  <td class="num">{rate(s.rates?.queries)}</td>
                  <td class="num">{rate(s.rates?.responses)}</td>
                  <td class="num wide">{rate(s.rates?.messages)}</td>
                  <td class={`num ${(s.lost ?? 0) > 0 ? 'alarm' : ''}`}>{count(s.lost)}</td>
                  <td class="num">{count(s.malformed)}</td>
                  <td class={`num wide ${(s.late ?? 0) > 0 ? 'alarm' : ''}`}>{count(s.late)}</td>
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
