import { names, range, server, topRows, types } from '../store';
import { count, percent } from '../format';
import { Name } from './name';
import { Missing, padding, Panel } from './panel';

export function NamesPanel() {
  const table = names.value;
  const rows = table?.rows ?? [];
  const most = rows[0]?.count ?? 1;
  const note = table && [
    server.value || 'all servers',
    `last ${range.value} min`,
    table.total !== undefined && `${count(table.total)} queries`,
    table.error > 0 && `counts ±${count(table.error)}`,
  ].filter(Boolean).join(' · ');
  return (
    <Panel id="top-names" title="Top queried names" note={note} class="names">
      <Missing of={[types.names]} />
      <table>
        <caption class="hidden">The {topRows} names asked for most, with their share of all queries</caption>
        <colgroup>
          <col class="c-rank" />
          <col />
          <col class="c-bar wide" />
          <col class="c-share" />
          <col class="c-count" />
        </colgroup>
        <thead>
          <tr>
            <th scope="col" class="num">
              <span aria-hidden="true">#</span>
              <span class="hidden">Rank</span>
            </th>
            <th scope="col">Name</th>
            <th scope="col" class="wide">
              <span class="hidden">Bar</span>
            </th>
            <th scope="col" class="num">
              Share
            </th>
            <th scope="col" class="num">
              Queries
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i} data-key={row.name}>
              <td class="num faint">{i + 1}</td>
              <th scope="row">
                <Name name={row.name} />
              </th>
              <td class="wide" aria-hidden="true">
                <span class="bar" style={{ width: `${(100 * row.count) / most}%` }} />
              </td>
              <td class="num faint">{table?.total !== undefined ? percent(row.count, table.total) : '–'}</td>
              <td class="num">{count(row.count)}</td>
            </tr>
          ))}
          {padding(rows.length, topRows)}
        </tbody>
      </table>
    </Panel>
  );
}
