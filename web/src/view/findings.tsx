import type { Signal } from '@preact/signals';
import type { Fault, Finding } from '../findings';
import { isHeard, range, server, type Table } from '../store';
import { clock, count, dateTime } from '../format';
import { Name } from './name';
import { Missing, padding, Panel } from './panel';

interface Props {
  id: string;
  title: string;
  type: string;
  table: Signal<Table<Finding> | undefined>;
  what: string;
  nothing: string;
  rowsShown: number;
  tall?: boolean; // rows of three lines
}

/** A fault matters first; a malformed message often has no name that could be read. */
function Faulty({ row, fault }: { row: Finding; fault: Fault }) {
  const detail = [fault.reason, row.detail].filter(Boolean).join(' · ');
  return (
    <>
      <span class="words" title={fault.explained}>
        {fault.words}
      </span>
      {row.name && <Name name={row.name} />}
      <span class="sub" title={detail}>
        {detail}
      </span>
    </>
  );
}

function Named({ row }: { row: Finding }) {
  return (
    <>
      {row.name ? <Name name={row.name} /> : <span class="faint">(no name)</span>}
      <span class="sub" title={row.detail}>
        {row.detail}
      </span>
    </>
  );
}

/** What is wrong, with who sent it to whom. */
export function FindingsPanel({ id, title, type, table, what, nothing, rowsShown, tall }: Props) {
  const t = table.value;
  const rows = t?.rows.slice(0, rowsShown) ?? [];
  const listed = t?.rows.reduce((n, r) => n + r.count, 0) ?? 0;
  const note = t && [
    server.value || 'all servers',
    `last ${range.value} min`,
    t.total !== undefined && t.total > listed ? `${count(listed)} of ${count(t.total)} listed` : `${count(listed)} in all`,
    t.rows.length > rowsShown && `${count(t.rows.length - rowsShown)} more kinds`,
  ].filter(Boolean).join(' · ');
  return (
    <Panel id={id} title={title} note={note} class={tall ? 'findings tall' : 'findings'}>
      <Missing of={[type]} />
      {t && rows.length === 0 && isHeard(type) && <p class="nothing">{nothing}</p>}
      <table>
        <caption class="hidden">
          {title}, most frequent first: what, from whom to whom, when last, and how often
        </caption>
        <colgroup>
          <col />
          <col class="c-address" />
          <col class="c-times" />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">{what}</th>
            <th scope="col">Sender → server</th>
            <th scope="col" class="num">
              Count<span class="wide">, last</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i} data-key={row.key}>
              <th scope="row">
                {row.fault ? <Faulty row={row} fault={row.fault} /> : <Named row={row} />}
              </th>
              <td class="addresses" title={`${row.from} → ${row.to}`}>
                <span>{row.from}</span>
                <span class="sub">→ {row.to}</span>
              </td>
              <td class="num" title={Number.isFinite(row.last) ? dateTime(row.last) : undefined}>
                {count(row.count)}
                <span class="sub">{clock(row.last)}</span>
              </td>
            </tr>
          ))}
          {padding(rows.length, rowsShown)}
        </tbody>
      </table>
    </Panel>
  );
}
