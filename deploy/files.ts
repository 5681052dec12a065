/**
 * What is made from the chart: copies of the CustomResourceDefinitions in it, the single manifest, and the bases of kustomize.
 * A test holds the files to this.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments, stringify } from 'yaml';

export interface Made {
  /** Relative to this folder. */
  readonly path: string;
  readonly text: string;
}

const here = new URL('.', import.meta.url).pathname;
const linked = new URL('../node_modules/.cache/tortie-deploy/helm', import.meta.url).pathname;
const note = '# Made by `npm run manifests` from deploy/chart; do not edit.\n';
const namespace = 'kube-system';

/** What `helm template` says. Helm is the one that test/deploy/setup.sh found or built. @param more  further arguments */
export const render = (...more: readonly string[]): string =>
  execFileSync(
    linked,
    [
      'template',
      'tortie',
      join(here, 'chart'),
      '--namespace',
      namespace,
      '--kube-version',
      '1.30.0',
      ...more,
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );

/** The documents of a rendered text, each without its separator and "# Source" line. */
const documentsOf = (text: string): readonly string[] =>
  text
    .split(/^---$/m)
    .map((one) => one.replace(/^# Source: .*\n/m, '').trim())
    .filter((one) => /^kind:/m.test(one))
    // Nobody but helm would manage it.
    .map((one) => one.replaceAll(/^ +app\.kubernetes\.io\/managed-by: Helm\n/gm, ''));

const joined = (documents: readonly string[]): string =>
  `${note}${documents.map((one) => `---\n${one}\n`).join('')}`;

const crds = (): readonly Made[] =>
  readdirSync(join(here, 'crds'))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => ({ path: name, text: readFileSync(join(here, 'crds', name), 'utf8') }));

function fileName(document: string): string {
  const [parsed] = parseAllDocuments(document);
  return `${String(parsed?.get('kind')).toLowerCase()}-${String(parsed?.getIn(['metadata', 'name']))}.yaml`;
}

/** A folder of kustomize: a file for each document, the patches, and the list of them. */
function kustomization(
  folder: string,
  kind: 'Kustomization' | 'Component',
  documents: readonly string[],
  patches: readonly string[] = [],
): readonly Made[] {
  const version = kind === 'Component' ? 'v1alpha1' : 'v1beta1';
  const made = documents.map((one) => ({ path: fileName(one), text: `${note}${one}\n` }));
  const changes = patches.map((one) => ({ path: `patch-${fileName(one)}`, text: `${note}${one}` }));
  const head = {
    apiVersion: `kustomize.config.k8s.io/${version}`,
    kind,
    resources: made.map(({ path }) => path).sort(),
    ...(changes.length === 0 ? {} : { patches: changes.map(({ path }) => ({ path })) }),
  };
  return [{ path: 'kustomization.yaml', text: `${note}${stringify(head)}` }, ...made, ...changes].map(
    ({ path, text }) => ({
      path: `kustomize/${folder}/${path}`,
      text,
    }),
  );
}

interface Workload {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec?: {
    readonly template?: {
      readonly spec: {
        readonly containers: readonly { readonly name: string; readonly args: readonly string[] }[];
      };
    };
  };
}

/** What changes the command lines of the base's workloads to those of these documents. */
const argsOf = (documents: readonly string[]): readonly string[] =>
  documents
    .map((one) => parse(one) as Workload)
    .flatMap(({ apiVersion, kind, metadata: { name, namespace }, spec }) => {
      const containers = spec?.template?.spec.containers.map((one) => ({ name: one.name, args: one.args }));
      if (containers === undefined) return [];
      const patch = {
        apiVersion,
        kind,
        metadata: { name, namespace },
        spec: { template: { spec: { containers } } },
      };
      return [stringify(patch)];
    });

const everywhere = ['--set', 'metrics.address=0.0.0.0'];
const monitoring = ['podMonitor', 'prometheusRule', 'dashboards'].flatMap((one) => [
  '--set',
  `monitoring.${one}.enabled=true`,
]);

export function madeFiles(): readonly Made[] {
  const definitions = crds();
  const plain = documentsOf(render('--no-hooks'));
  const watched = documentsOf(
    render('--no-hooks', '--show-only', 'templates/monitoring.yaml', ...everywhere, ...monitoring),
  );
  const all = [...definitions.map(({ text }) => text.replace(/^#.*\n/, '').trim()), ...plain];
  return [
    ...definitions.map(({ path, text }) => ({ path: `chart/crds/${path}`, text })),
    { path: 'manifest/tortie.yaml', text: joined(all) },
    ...kustomization('base', 'Kustomization', all),
    ...kustomization(
      'components/monitoring',
      'Component',
      watched,
      argsOf(documentsOf(render('--no-hooks', ...everywhere))),
    ),
  ];
}

/** The folders that hold nothing but made files. */
export const madeFolders = ['chart/crds', 'manifest', 'kustomize'] as const;
