/**
 * The named sets that rules ask for, by what their members are. Names and comments say that and nothing else, so whoever means
 * the same asks for the same set.
 */
import type { IpVersion } from '../../src/lib/net.ts';
import type { ServiceRef } from '../../src/model/policy.ts';
import { formatSelector, type Selector } from '../../src/model/selector.ts';
import { type Element, elementKey, protocolText, type SetDecl, type SetKind } from './model.ts';
import { commentOf, objectName } from './name.ts';
import { addressOf, type Span } from './span.ts';
import type { SetContent, SetSpec } from './spec.ts';

interface Words {
  readonly prefix: string;
  readonly readable?: string;
  readonly identity: string;
  readonly comment: string;
}

function spec(kind: SetKind, version: IpVersion, words: Words, content: SetContent): SetSpec {
  const { prefix, readable = '', identity, comment } = words;
  const decl: SetDecl = {
    name: objectName(`${prefix}${version}`, readable, identity),
    kind,
    version,
    comment: commentOf(comment),
  };
  return { decl, content };
}

export function endpointsSet(selector: Selector, version: IpVersion): SetSpec {
  const identity = formatSelector(selector);
  return spec(
    'address',
    version,
    { prefix: 'endpoints', identity, comment: identity },
    { kind: 'endpoints', selector },
  );
}

export function networksSet(selector: Selector, version: IpVersion): SetSpec {
  const identity = formatSelector(selector);
  return spec(
    'range',
    version,
    { prefix: 'networks', identity, comment: `network sets: ${identity}` },
    { kind: 'networks', selector },
  );
}

export function nodesSet(selector: Selector, version: IpVersion): SetSpec {
  const identity = formatSelector(selector);
  return spec(
    'address',
    version,
    { prefix: 'nodes', identity, comment: `nodes: ${identity}` },
    { kind: 'nodes', selector },
  );
}

export interface NamedPort {
  readonly selector: Selector;
  readonly name: string;
  /** IANA number; absent: any. */
  readonly protocol?: number;
  readonly local?: true;
}

export function namedPortSet(port: NamedPort, version: IpVersion): SetSpec {
  const { selector, name, protocol, local } = port;
  const who = formatSelector(selector);
  const what = protocol === undefined ? name : `${protocolText(protocol)} ${name}`;
  return spec(
    'port',
    version,
    {
      prefix: 'ports',
      readable: name,
      identity: JSON.stringify([who, name, protocol ?? '', local === true]),
      comment: `${what} of ${local === true ? 'this node, ' : ''}${who}`,
    },
    { kind: 'namedPort', ...port },
  );
}

export function serviceSet(
  kind: 'servicePorts' | 'serviceAddresses',
  service: ServiceRef,
  version: IpVersion,
): SetSpec {
  const text = `${service.namespace}/${service.name}`;
  return kind === 'servicePorts'
    ? spec(
        'port',
        version,
        { prefix: 'service', readable: text, identity: text, comment: `ports of Service ${text}` },
        { kind, service },
      )
    : spec(
        'address',
        version,
        { prefix: 'backends', readable: text, identity: text, comment: `backends of Service ${text}` },
        { kind, service },
      );
}

/** Exactly the addresses of `spans`, which are merged. */
export function netsSet(spans: readonly Span[], version: IpVersion): SetSpec {
  const elements = spans.map(
    ({ first, last }): Element => ({
      kind: 'range',
      first: addressOf(version, first),
      last: addressOf(version, last),
    }),
  );
  return spec(
    'range',
    version,
    { prefix: 'nets', identity: elements.map(elementKey).join(', '), comment: 'nets of rules' },
    { kind: 'fixed', elements },
  );
}
