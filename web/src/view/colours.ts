import { computed } from '@preact/signals';
import { serverNames, shown } from '../store';
import { dark } from '../theme';

// Told apart by people who do not see red and green alike, in this order; each
// has a contrast of 3:1 or more against its panel (WCAG 1.4.11).
const onLight = ['#0067a5', '#c2500a', '#00795a', '#a8407f', '#806600', '#5b4bb5', '#1f87b8'];
const onDark = ['#56b4e9', '#ff9d5c', '#3ecf9f', '#e59ac4', '#e0cb4a', '#b3a2ff', '#9fd8f5'];

let slots = new Map<string, number>();

/**
 * The servers that have a colour, with its place: all, or as many as there are
 * colours, the busiest first. A server keeps its colour while it has one.
 */
const coloured = computed(() => {
  let names = serverNames.value;
  if (names.length > onLight.length) {
    const sum = new Map<string, number>();
    for (const w of shown.value) for (const [s, c] of w.servers) sum.set(s, (sum.get(s) ?? 0) + (c.qps ?? c.aps ?? 0));
    names = [...sum].sort((a, b) => b[1] - a[1]).slice(0, onLight.length).map(([s]) => s).sort();
  }
  const next = new Map(names.flatMap((s) => (slots.has(s) ? [[s, slots.get(s)!] as const] : [])));
  const taken = new Set(next.values());
  const free = onLight.map((_, i) => i).filter((i) => !taken.has(i));
  for (const s of names) if (!next.has(s)) next.set(s, free.shift()!);
  slots = next;
  return { names, slots: next };
});

export const drawnServers = computed(() => coloured.value.names);

/** A server's colour; grey for those beyond the colours. */
export function colour(server: string): string {
  const slot = coloured.value.slots.get(server);
  if (slot === undefined) return dark.value ? '#8b95a3' : '#6b7582';
  return (dark.value ? onDark : onLight)[slot]!;
}
