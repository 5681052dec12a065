/** `tortiectl migrate check`: reads what the present network left in the API and says what becomes of it. */
import { kinds } from '../../store/kinds.ts';
import type { Manifest } from '../../store/objects.ts';
import { nameOf } from '../cluster/json.ts';
import { openSource } from '../cluster/open.ts';
import type { Place, Source, Trouble } from '../cluster/source.ts';
import type { Global } from '../command.ts';
import type { MigrateOptions } from '../options.ts';
import { complain, print } from '../output.ts';
import { type Paint, paintFor, plain, type Tone } from '../style.ts';
import { columns } from '../table.ts';
import { calicoAnnotations, calicoBlocks, calicoNode, calicoRows, calicoVersions } from './calico.ts';
import { flannelConfig, podCidrs, type Running, runningNetworks, sleepingPolicies } from './flannel.ts';
import type { Fate, Verdict } from './verdict.ts';

export interface Migration {
  /** Networks that run now. */
  readonly running: readonly Running[];
  readonly verdicts: readonly Verdict[];
  /** Sentences: what could not be read. */
  readonly unread: readonly string[];
}

const daemonSets: Place = {
  kind: 'DaemonSet',
  apiVersion: 'apps/v1',
  plural: 'daemonsets',
  namespaced: true,
};
const configMaps: Place = { kind: 'ConfigMap', apiVersion: 'v1', plural: 'configmaps', namespaced: true };

/** A list that is empty where the kind is unknown, and notes what may not be read. */
type Read = (place: Place, scope?: { readonly fields: string }) => Promise<readonly Manifest[]>;

export async function migrate(source: Source): Promise<Migration> {
  const unread = new Set<string>();
  let isAway = false;
  const note = ({ kind, sentence }: Trouble): readonly Manifest[] => {
    // A server that is away is so for every kind: once is enough.
    if (kind !== 'absent' && !(kind === 'away' && isAway)) unread.add(sentence);
    isAway ||= kind === 'away';
    return [];
  };
  const read: Read = async (place, scope) => {
    const listed = await source.list(place, scope);
    return listed.ok ? listed.value : note(listed.error);
  };
  const place = (kind: 'Node' | 'Pod' | 'Namespace' | 'NetworkPolicy'): Place => ({ kind, ...kinds[kind] });
  const [nodes, pods, namespaces, policies, sets, flannel, calico] = await Promise.all([
    read(place('Node')),
    read(place('Pod')),
    read(place('Namespace')),
    read(place('NetworkPolicy')),
    read(daemonSets),
    read(configMaps, { fields: 'metadata.name=kube-flannel-cfg' }),
    calicoVerdicts(read),
  ]);
  const running = runningNetworks(sets);
  const hasFlannel = flannel.length > 0 || running.some(({ network }) => network === 'Flannel');
  const verdicts = [
    ...calico,
    ...nodes.flatMap(calicoNode),
    ...[...namespaces, ...pods].flatMap(calicoAnnotations),
    ...flannel.filter((config) => nameOf(config) === 'kube-flannel-cfg').flatMap(flannelConfig),
    ...(hasFlannel ? sleepingPolicies(policies) : []),
    ...podCidrs(nodes),
  ];
  return { running, verdicts, unread: [...unread] };
}

/** Where the storage group has objects of a kind, the other only mirrors them. */
async function calicoVerdicts(read: Read): Promise<readonly Verdict[]> {
  const perRow = calicoRows.map(async ({ kind, plural, namespaced = false, judge }) => {
    for (const apiVersion of calicoVersions) {
      const objects = await read({ kind, apiVersion, plural, namespaced });
      if (objects.length > 0) return objects.flatMap(judge);
    }
    return [];
  });
  const blocks = async (): Promise<readonly Verdict[]> => {
    for (const apiVersion of calicoVersions) {
      const all = await read({ kind: 'IPAMBlock', apiVersion, plural: 'ipamblocks', namespaced: false });
      if (all.length > 0) return calicoBlocks(apiVersion, all);
    }
    return [];
  };
  return (await Promise.all([...perRow, blocks()])).flat();
}

export async function migrateCheck(options: MigrateOptions & Global): Promise<number> {
  const source = await openSource(options);
  if (!source.ok) return complain({ code: 2, sentence: source.error });
  const migration = await migrate(source.value);
  const paint = paintFor(process.stdout, process.env['NO_COLOR']);
  await print(migration, options.output, () => migrationText(migration, paint));
  if (migration.unread.length > 0 && migration.verdicts.length === 0) return 2;
  return migration.verdicts.some(({ fate }) => fate === 'not supported') ? 1 : 0;
}

const order: readonly Fate[] = ['not supported', 'works differently', 'works'];
const tones: Readonly<Record<Fate, Tone>> = {
  'not supported': 'bad',
  'works differently': 'warn',
  works: 'good',
};

export function migrationText({ running, verdicts, unread }: Migration, paint: Paint = plain): string {
  const sorted = [...verdicts].sort((a, b) => order.indexOf(a.fate) - order.indexOf(b.fate));
  const now =
    running.length === 0
      ? 'no network that is known here'
      : running.map(({ network, daemonSet }) => `${network} (DaemonSet ${daemonSet})`).join(', ');
  const rows = sorted.map(({ fate, object, what, fix }) => [
    { text: fate, tone: tones[fate] },
    object,
    `${what} ${fix}`.trim(),
  ]);
  const counts = order.map((fate) => `${verdicts.filter((one) => one.fate === fate).length} ${fate}`);
  return [
    `Runs now: ${now}.`,
    '',
    ...(rows.length === 0
      ? []
      : [columns(['VERDICT', 'OBJECT', 'HOW, AND WHAT TO DO'], rows, { paint }), '']),
    ...unread.map((sentence) => `Not read: ${sentence}`),
    `${counts.join(', ')}.`,
  ].join('\n');
}
