// What Jerry's HTTP API answers. Any member may be missing: an older Jerry, or
// a reducer of the same name with another shape, must not break the page.

export interface Rates {
  messages?: number | null;
  queries?: number | null;
  responses?: number | null;
}

export interface Server {
  server: string;
  lastSeen?: string | null;
  lag?: number | null; // seconds from the newest window's end to Jerry's clock
  rates?: Rates | null;
  lost?: number | null;
  malformed?: number | null;
  partial?: boolean | null;
}

export interface Reducer {
  type: string;
  shape?: string;
  servers?: string[];
  windows?: number;
}

/** The merged value of some windows of one server or of all. */
export interface Part {
  messages?: number;
  malformed?: number;
  lost?: number;
  data?: unknown;
}

export interface Step extends Part {
  start: string;
  end: string;
  by?: Record<string, Part>;
}

/** A query's answer, and a window of the live stream. */
export interface Answer extends Part {
  type: string;
  from: string;
  to: string;
  servers?: string[];
  error?: number;
  lag?: number;
  series?: Step[];
  by?: Record<string, Part>;
}

type Params = Record<string, string | number | readonly string[]>;

export function apiURL(path: string, params: Params = {}): string {
  const url = new URL(`api/v1/${path}`, document.baseURI);
  for (const [name, value] of Object.entries(params)) {
    for (const v of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(v));
  }
  return url.href;
}

/** Fetches JSON; an error carries what the API said about it. */
async function get<T>(path: string, params?: Params): Promise<T> {
  const r = await fetch(apiURL(path, params), { signal: AbortSignal.timeout(30_000), cache: 'no-store' });
  if (!r.ok) {
    const text = (await r.text().catch(() => '')).trim().slice(0, 300);
    throw new Error(`${path}: HTTP ${r.status}${text ? `: ${text}` : ''}`);
  }
  return (await r.json()) as T;
}

export const getServers = async () => (await get<{ servers?: Server[] | null }>('servers')).servers ?? [];
export const getReducers = async () => (await get<{ reducers?: Reducer[] | null }>('reducers')).reducers ?? [];
export const query = (params: Params) => get<Answer>('query', params);
