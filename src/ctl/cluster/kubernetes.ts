/** The API server as a source: plain lists and watches by path, in the name of whoever's kubeconfig it is. */
import { get as httpGet } from 'node:http';
import { get as httpsGet, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { err, ok, type Result } from '../../lib/result.ts';
import { type Api, openApi, parseJson } from '../../store/kubernetes/api.ts';
import type { Manifest } from '../../store/objects.ts';
import { at, listAt, nameOf, namespaceOf, textAt } from './json.ts';
import type { Place, Scope, Source, Trouble } from './source.ts';

type Failure = Extract<Awaited<ReturnType<Api['get']>>, { ok: false }>['error'];

const pageSize = '500';
/** A watch that ended, and a server that is away, are asked again after so long. */
const againMs = 2000;
/** Changes within this time are told as one. */
const coalesceMs = 100;

const pathOf = ({ apiVersion, plural, namespaced }: Place, namespace?: string): string => {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const space = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${group}${space}/${plural}`;
};

const queryOf = ({ labels, fields }: Scope): Record<string, string> => ({
  ...(labels === undefined ? {} : { labelSelector: labels }),
  ...(fields === undefined ? {} : { fieldSelector: fields }),
});

const grant = (plural: string): string =>
  `Ask whoever runs the cluster for get, list and watch of ${plural}, or use another --kubeconfig or --context.`;

function troubleOf(
  { status, message }: Failure,
  { kind, plural, apiVersion }: Place,
  where: string,
): Trouble {
  switch (status) {
    case 401:
      return {
        kind: 'forbidden',
        sentence: `${where} does not know you (401), so ${plural} cannot be read. Give valid credentials in the kubeconfig.`,
      };
    case 403:
      return {
        kind: 'forbidden',
        sentence: `You may not read ${plural} (${apiVersion}) at ${where}. ${grant(plural)}`,
      };
    case 404:
      return {
        kind: 'absent',
        sentence: `${where} does not know the kind ${kind} of ${apiVersion}. Install the CustomResourceDefinitions: kubectl apply -f deploy/crds.`,
      };
    case 400:
    case 422:
      return { kind: 'asked', sentence: `${where} does not take the question for ${plural}: ${message}.` };
    default:
      return {
        kind: 'away',
        sentence: `${plural} cannot be read at ${where}: ${message}. See that the API server runs and can be reached from here.`,
      };
  }
}

interface Listing {
  readonly items: readonly Manifest[];
  readonly version: string;
}

async function listAll(api: Api, place: Place, scope: Scope): Promise<Result<Listing, Failure>> {
  const items: Manifest[] = [];
  let next = '';
  let version = '';
  do {
    const page = next === '' ? {} : { continue: next };
    const answer = await api.get(pathOf(place, scope.namespace), {
      ...queryOf(scope),
      limit: pageSize,
      ...page,
    });
    if (!answer.ok) return answer;
    for (const item of listAt(answer.value, 'items')) items.push(whole(place, item));
    next = textAt(answer.value, 'metadata', 'continue');
    version = textAt(answer.value, 'metadata', 'resourceVersion');
  } while (next !== '');
  return ok({ items, version });
}

/** Items of a list do not say their kind. */
const whole = ({ apiVersion, kind }: Place, item: unknown): Manifest => ({
  ...(item as Manifest),
  apiVersion,
  kind,
});

const keyOf = (item: Manifest): string => `${namespaceOf(item)}/${nameOf(item)}`;

/** List, then watch from there; whatever ends it, list again. */
function follow(
  api: Api,
  place: Place,
  scope: Scope,
  tell: (items: readonly Manifest[]) => void,
  trouble: (trouble: Trouble) => void,
) {
  const held = new Map<string, Manifest>();
  let stopWatch = (): void => undefined;
  let timer: NodeJS.Timeout | undefined;
  let telling: NodeJS.Timeout | undefined;
  let stopped = false;

  const soon = (): void => {
    telling ??= setTimeout(() => {
      telling = undefined;
      tell([...held.values()]);
    }, coalesceMs);
  };
  const again = (): void => {
    if (!stopped) timer = setTimeout(() => void run(), againMs);
  };
  const take = (line: string): void => {
    const event = parseJson(line);
    const object = at(event, 'object');
    const type = at(event, 'type');
    if (type === 'ERROR' || object === undefined) return;
    const item = whole(place, object);
    if (type === 'DELETED') held.delete(keyOf(item));
    else held.set(keyOf(item), item);
    soon();
  };
  const run = async (): Promise<void> => {
    const listed = await listAll(api, place, scope);
    if (stopped) return;
    if (!listed.ok) {
      const why = troubleOf(listed.error, place, api.server);
      if (why.kind !== 'away') trouble(why);
      return again();
    }
    held.clear();
    for (const item of listed.value.items) held.set(keyOf(item), item);
    soon();
    const query = { ...queryOf(scope), watch: '1', resourceVersion: listed.value.version };
    stopWatch = api.watch(pathOf(place, scope.namespace), query, {
      opened: () => undefined,
      lines: (lines) => lines.forEach(take),
      ended: again,
    });
  };

  void run();
  return () => {
    stopped = true;
    stopWatch();
    clearTimeout(timer);
    clearTimeout(telling);
  };
}

/** Fails: a sentence. */
export function kubernetesSource(config: KubeConfig): Result<Source> {
  const opened = openApi(config);
  if (!opened.ok) return opened;
  const api = opened.value;
  return ok({
    where: api.server,
    list: async (place, scope = {}) => {
      const listed = await listAll(api, place, scope);
      return listed.ok ? ok(listed.value.items) : err(troubleOf(listed.error, place, api.server));
    },
    get: async (place, name, namespace) => {
      const answer = await api.get(`${pathOf(place, namespace)}/${encodeURIComponent(name)}`, {});
      if (answer.ok) return ok(whole(place, answer.value));
      // "not found" of an object names it; of a kind that is not served it does not.
      if (answer.error.status === 404 && answer.error.message.includes(`"${name}"`)) return ok(undefined);
      return err(troubleOf(answer.error, place, api.server));
    },
    follow: (place, scope, onItems, onTrouble) => follow(api, place, scope, onItems, onTrouble),
    clockSkewMs: () => clockSkew(config, api.server),
  });
}

/** From the Date header of an answer, whatever that answer is; good to a second or so. */
async function clockSkew(config: KubeConfig, server: string): Promise<number | undefined> {
  const options: RequestOptions = { headers: {}, timeout: 5000 };
  await config.applyToHTTPSOptions(options);
  const url = new URL(`${server.replace(/\/$/, '')}/version`);
  return new Promise((resolve) => {
    const before = Date.now();
    const open = url.protocol === 'http:' ? httpGet : httpsGet;
    const asking = open(url, options, (response) => {
      response.resume();
      const said = Date.parse(response.headers.date ?? '');
      resolve(Number.isNaN(said) ? undefined : said - (before + Date.now()) / 2);
    });
    asking.on('timeout', () => asking.destroy());
    asking.on('error', () => resolve(undefined));
  });
}
