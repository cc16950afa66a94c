import type { ComponentChildren } from 'preact';
import { failures, isHeard, reducers } from '../store';

interface Props {
  id: string;
  title: string;
  note?: ComponentChildren;
  class?: string;
  children: ComponentChildren;
}

export function Panel({ id, title, note, class: cls, children }: Props) {
  return (
    <section class={`panel ${cls ?? ''}`} aria-labelledby={`${id}-title`} data-testid={id}>
      <div class="head">
        <h2 id={`${id}-title`}>{title}</h2>
        <p class="note">{note || '\u00a0'}</p>
      </div>
      {children}
    </section>
  );
}

/** Which of these types no monitor reports, once Jerry has said what it hears. */
export const unheard = (of: readonly string[]) =>
  reducers.value === undefined ? [] : of.filter((type) => !isHeard(type));

/**
 * Says why a panel has nothing to show, or only what it had before: none of
 * its types is reported, or the last query failed.
 */
export function Missing({ of }: { of: readonly string[] }) {
  const missing = unheard(of);
  const failed = of.map((type) => failures.value[type]).find(Boolean);
  if (missing.length === of.length) {
    return (
      <div class="missing">
        <div>
          No monitor reports {missing.map((type, i) => [i > 0 && ' or ', <code key={type}>{type}</code>])}. To see it
          here, add to the monitor’s configuration:
          <pre>{`reducers:\n${missing.map((type) => `  - ${type}`).join('\n')}`}</pre>
        </div>
      </div>
    );
  }
  return failed ? (
    <p class="failed" title={failed}>
      Not up to date: {failed}
    </p>
  ) : null;
}

/**
 * Empty rows after the first ones, so that a table is as high without data as
 * with it. Rows are keyed by place: when the order changes, texts change and nothing moves.
 */
export function padding(from: number, to: number) {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => (
    <tr key={from + i} class="pad" aria-hidden="true">
      <td />
    </tr>
  ));
}
