/** What each node announces: with block IPAM its confirmed blocks, as the datastore has them at this moment, else its pod CIDRs. */
import { realClock } from '../host/clock.ts';
import { openObjects } from '../store/open.ts';
import { datastoreOf, kubeconfigOf } from './datastore.ts';
import type { LabState } from './state.ts';
import { at } from './tor/tor.ts';

/** @returns the lab with the announced prefixes in the place of the pod CIDRs; without blocks just the lab */
export async function announcing(state: LabState): Promise<LabState> {
  if (state.ipam !== 'blocks') return state;
  const options = { clock: realClock, random: Math.random, kubeconfig: kubeconfigOf(state.name) };
  const objects = openObjects(datastoreOf(state).flag, options);
  const listed = objects.ok ? await objects.value.list('BlockAffinity') : objects;
  const affinities = listed.ok ? listed.value.map(({ manifest }) => at(manifest, 'spec')) : [];
  const confirmed = affinities.filter((spec) => at(spec, 'state') === 'confirmed');
  const nodes = state.topology.nodes.map((node) => ({
    ...node,
    podCidrs: confirmed
      .filter((spec) => at(spec, 'node') === node.name)
      .map((spec) => String(at(spec, 'cidr')))
      .sort(),
  }));
  return { ...state, topology: { ...state.topology, nodes } };
}
