import { computed, effect, signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';

const storageKey = 'ratadns.theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(system.matches);
system.addEventListener('change', (e) => (systemDark.value = e.matches));

const root = document.documentElement;
const given = root.dataset['theme']; // set by theme.js before the first paint
export const theme = signal<Theme>(given === 'dark' || given === 'light' ? given : 'auto');
export const dark = computed(() => theme.value === 'dark' || (theme.value === 'auto' && systemDark.value));

effect(() => {
  if (theme.value === 'auto') delete root.dataset['theme'];
  else root.dataset['theme'] = theme.value;
});

export function setTheme(next: Theme) {
  theme.value = next;
  try {
    if (next === 'auto') localStorage.removeItem(storageKey);
    else localStorage.setItem(storageKey, next);
  } catch {
    // Storage may be switched off; the choice then lasts until the page closes.
  }
}
