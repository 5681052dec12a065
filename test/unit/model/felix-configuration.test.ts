import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  builtIn,
  differences,
  type FelixConfiguration,
  type FelixSettings,
  fieldNames,
  resolveFelix,
} from '../../../src/model/felix-configuration.ts';
import { felixDefaults } from '../../../src/model/felix-fields.ts';
import { parseSelector } from '../../../src/model/selector.ts';

const made = (name: string, given: Partial<FelixSettings>, nodes?: string): FelixConfiguration => {
  const selector = nodes === undefined ? undefined : parseSelector(nodes);
  return {
    kind: 'FelixConfiguration',
    meta: { name, labels: {}, annotations: {} },
    given,
    ...(selector?.ok === true ? { nodeSelector: selector.value } : {}),
  };
};
const node = { name: 'n1', labels: { rack: 'a' } };

describe('what holds at a node', () => {
  test('without an object every field has its built-in value', () => {
    const { settings, origin, conflicts } = resolveFelix([], node);
    expect(settings).toEqual(felixDefaults);
    expect(new Set(Object.values(origin))).toEqual(new Set([builtIn]));
    expect(conflicts).toEqual([]);
  });

  test('default < a nodeSelector that takes the node < node.NAME < environment < command line', () => {
    const objects = [
      made('node.n1', { floatingIPs: 'Enabled', vxlanPort: 3, chainInsertMode: 'Insert' }),
      made('default', { vxlanPort: 1, maxIpsetSize: 1, ipForwarding: 'Disabled', chainInsertMode: 'Append' }),
      made('racks', { vxlanPort: 2, maxIpsetSize: 2 }, 'rack == "a"'),
      made('others', { vxlanPort: 9, connectionPolicy: 'Reevaluate' }, 'rack == "b"'),
      made('node.n2', { vxlanPort: 8 }),
    ];
    const { settings, origin } = resolveFelix(objects, node, [
      { from: 'environment', given: { floatingIPs: 'Disabled', denyLogGroup: 1 } },
      { from: 'command line', given: { denyLogGroup: 2 } },
    ]);
    const told = (field: keyof FelixSettings) => [settings[field], origin[field]];
    expect(told('ipForwarding')).toEqual(['Disabled', 'FelixConfiguration/default']);
    expect(told('maxIpsetSize')).toEqual([2, 'FelixConfiguration/racks']);
    expect(told('vxlanPort')).toEqual([3, 'FelixConfiguration/node.n1']);
    expect(told('floatingIPs')).toEqual(['Disabled', 'environment']);
    expect(told('denyLogGroup')).toEqual([2, 'command line']);
    expect(told('connectionPolicy')).toEqual(['Keep', builtIn]);
  });

  test('of two with a nodeSelector the first by name has its way, and it is said', () => {
    const objects = [made('b', { vxlanPort: 2 }, 'all()'), made('a', { vxlanPort: 1 }, 'all()')];
    const { settings, conflicts } = resolveFelix(objects, node);
    expect(settings.vxlanPort).toBe(1);
    expect(conflicts).toEqual([
      { field: 'vxlanPort', winner: 'FelixConfiguration/a', loser: 'FelixConfiguration/b' },
    ]);
    expect(resolveFelix([made('b', { vxlanPort: 1 }, 'all()'), ...objects.slice(1)], node).conflicts).toEqual(
      [],
    );
  });

  test('a value that says nothing (natPortRange 0:0) is above one that does', () => {
    const range = { natPortRange: { first: 1, last: 2 } };
    const objects = [made('default', range), made('node.n1', { natPortRange: undefined })];
    expect(resolveFelix(objects, node).settings.natPortRange).toBeUndefined();
  });

  test('the order of the objects tells nothing, and each value is of the object it is said to be of', () => {
    const names = fc.uniqueArray(fc.constantFrom('default', 'node.n1', 'node.n2', 'a', 'b', 'c'));
    const ports = fc.infiniteStream(fc.integer({ min: 1, max: 5 }));
    fc.assert(
      fc.property(names, ports, fc.nat(), (all, port, turn) => {
        const objects = all.map((name) =>
          made(name, { vxlanPort: port.next().value }, name.length === 1 ? 'all()' : undefined),
        );
        const turned = [...objects.slice(turn % 7), ...objects.slice(0, turn % 7)];
        const [one, other] = [resolveFelix(objects, node), resolveFelix(turned, node)];
        expect(other).toEqual(one);
        const from = objects.find(({ meta }) => one.origin.vxlanPort === `FelixConfiguration/${meta.name}`);
        expect(one.settings.vxlanPort).toBe(from?.given.vxlanPort ?? felixDefaults.vxlanPort);
      }),
    );
  });

  test('differences are the fields whose values differ', () => {
    expect(differences(felixDefaults, { ...felixDefaults })).toEqual([]);
    expect(differences(felixDefaults, { ...felixDefaults, vxlanPort: 1, interfaceExclude: [] })).toEqual(
      ['vxlanPort', 'interfaceExclude'].sort(
        (a, b) => fieldNames.indexOf(a as 'vxlanPort') - fieldNames.indexOf(b as 'vxlanPort'),
      ),
    );
  });
});
