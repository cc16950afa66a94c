import { useSignalEffect } from '@preact/signals';
import {
  connection, malformedTable, names, range, ranges, reducers, server, serverNames, servers, types, underscoredTable, windows,
} from '../store';
import { Choice } from './choice';
import { Chart } from './chart';
import { FindingsPanel } from './findings';
import { Header, Totals } from './header';
import { NamesPanel } from './names';
import { ServersPanel } from './servers';

export function Page() {
  // For tests and for wall displays: set once the first data has been shown.
  useSignalEffect(() => {
    const any = windows.value.length > 0 || names.value || malformedTable.value || underscoredTable.value;
    if (any) requestAnimationFrame(() => (document.documentElement.dataset['ready'] = 'true'));
  });
  // Until Jerry has answered nothing is drawn that would have to move again.
  const known = reducers.value;
  const unanswered = known === undefined && connection.value !== 'reconnecting';
  const empty = (known === undefined || known.length === 0) && servers.value.length === 0;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the data
      </a>
      <Header />
      <main id="main" tabIndex={-1}>
        {!unanswered && (empty ? <Waiting /> : <Dashboard />)}
      </main>
      {!unanswered && !empty && (
        <footer>
          Times are UTC and come from the packets, not from a clock. Addresses may be anonymised: the monitors hash them
          unless told otherwise.
        </footer>
      )}
    </>
  );
}

function Dashboard() {
  return (
    <>
      <Totals />
      <div class="toolbar" role="group" aria-label="What is shown">
        <label class="field">
          Server
          <select
            data-testid="server-select"
            value={server.value}
            onChange={(e) => (server.value = e.currentTarget.value)}
          >
            <option value="">All servers</option>
            {serverNames.value.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <Choice
          label="Range"
          name="range"
          value={range.value}
          options={ranges.map((r) => [r, `${r} min`] as const)}
          onChange={(r) => (range.value = r)}
        />
      </div>
      <Chart />
      <div class="pair">
        <NamesPanel />
        <ServersPanel />
      </div>
      <div class="pair even">
        <FindingsPanel
          id="malformed"
          title="Malformed messages"
          type={types.malformed}
          table={malformedTable}
          what="Fault and name"
          nothing="No malformed message in this range."
          rowsShown={6}
          tall
        />
        <FindingsPanel
          id="underscored"
          title="Underscored names"
          type={types.underscored}
          table={underscoredTable}
          what="Name and type"
          nothing="No query with an underscore in a host name in this range."
          rowsShown={8}
        />
      </div>
    </>
  );
}

function Waiting() {
  return (
    <section class="panel waiting" aria-labelledby="waiting">
      <h2 id="waiting">Waiting for the first window</h2>
      <p>
        {connection.value === 'reconnecting'
          ? 'The API does not answer yet. The page tries again every few seconds.'
          : 'No report has arrived yet. A window of traffic, ten seconds by default, is reported when it closes.'}
      </p>
      <p>If nothing comes within a minute, see that a monitor runs and reports to the same place this page hears:</p>
      <dl>
        <dt>Play a capture</dt>
        <dd>
          <code>ratadns up -r today.pcap</code>
        </dd>
        <dt>Watch an interface</dt>
        <dd>
          <code>ratadns up -i eth0</code>
        </dd>
        <dt>Or, at each name server</dt>
        <dd>
          <code>ratadns monitor -i eth0 --config rata.yml</code>
        </dd>
      </dl>
    </section>
  );
}
