import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { createPlayground } from '../support/namespaces.ts';
import { alertCases } from './alerts.ts';
import { baseOf, type Daemon, exported, type Metric, metricsTable } from './metrics.ts';
import { root, run } from './tools.ts';

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const rulesFile = `${root}deploy/chart/files/rules.yaml`;
const dashboards = `${root}deploy/chart/files/dashboards/`;
const { groups } = parse(readFileSync(rulesFile, 'utf8')) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.flatMap(({ alert, annotations }) =>
  alert === undefined ? [] : [{ alert, annotations }],
);
const doc = readFileSync(`${root}docs/METRICS.md`, 'utf8');

const ground = createPlayground('mo');
const directory = mkdtempSync(join(tmpdir(), 'tortie-mo-'));
let found: ReadonlyMap<Daemon, readonly Metric[]> = new Map();
beforeAll(async () => {
  found = await exported(ground, directory);
});
afterAll(async () => {
  await ground.close();
  rmSync(directory, { recursive: true });
});

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

/** Every query of every dashboard, as Grafana would send it. */
const queries: readonly string[] = readdirSync(dashboards).flatMap((file) => {
  const { panels } = JSON.parse(readFileSync(join(dashboards, file), 'utf8')) as {
    readonly panels: readonly Panel[];
  };
  return panels.flatMap(({ targets }) =>
    targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m')),
  );
});

const inFile = (name: string, content: unknown): string => {
  writeFileSync(join(directory, name), stringify(content));
  return join(directory, name);
};

test('promtool takes the rules, and each query of the dashboards', () => {
  expect(run('promtool', 'check', 'rules', rulesFile)).toContain(`${rules.length} rules found`);
  expect(queries.length).toBeGreaterThan(30);
  const recorded = queries.map((expr, index) => ({ record: `query:${index}`, expr }));
  const file = inFile('queries.yaml', { groups: [{ name: 'queries', rules: recorded }] });
  expect(run('promtool', 'check', 'rules', file)).toContain(`${queries.length} rules found`);
});

test('each alert fires when it should, and is silent when it should be', () => {
  expect(Object.keys(alertCases).sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  const tests = Object.entries(alertCases).flatMap(([alert, { fires, silent, at }]) =>
    [fires, silent].map((series) => ({
      interval: '1m',
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
      promql_expr_test: [
        {
          expr: `count(ALERTS{alertname="${alert}", alertstate="firing"})`,
          eval_time: at,
          exp_samples: series === fires ? [{ labels: '{}', value: 1 }] : [],
        },
      ],
    })),
  );
  const file = inFile('cases.yaml', { rule_files: [rulesFile], evaluation_interval: '1m', tests });
  expect(run('promtool', 'test', 'rules', file)).toContain('SUCCESS');
});

test('rules and dashboards ask for nothing that nobody exports or records', () => {
  const known = new Set([...found.values()].flat().map(({ name }) => name));
  const recorded = new Set(rules.map(({ record }) => record));
  const words = /\b(tortie|felix|ipam|process|nodejs)[a-z0-9_]*(:[a-z0-9_:]+)?/g;
  const asked = [...rules.map(({ expr }) => expr), ...queries].flatMap((expr) => expr.match(words) ?? []);
  expect(new Set(asked).size).toBeGreaterThan(20);
  for (const name of asked)
    expect(recorded.has(name) || known.has(baseOf(name, known)), `${name} is exported by nobody`).toBe(true);
});

test('docs/METRICS.md lists every metric of the daemons, in their own words', () => {
  expect(doc).toContain(metricsTable(found));
});

test('each alert links to its own heading of docs/METRICS.md', () => {
  for (const { alert, annotations } of alerts) {
    expect(annotations?.['runbook_url'], alert).toBe(`docs/METRICS.md#${alert.toLowerCase()}`);
    expect(doc, alert).toContain(`\n### ${alert}\n`);
    expect(annotations?.['summary'], alert).toBeTruthy();
    expect(annotations?.['description'], alert).toBeTruthy();
  }
});
