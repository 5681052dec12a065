/**
 * A CNI call as it comes (environment and stdin), parsed into a typed request or the specification's error.
 * The edge of the CNI room: nothing inside checks again.
 */
import { err, ok, type Result } from '../lib/result.ts';
import { type Attachment, type Config, isRecord, parseConfig, parseValid, parseVersion } from './config.ts';
import {
  badVariables,
  type CniEnvironment,
  missingVariables,
  type PodName,
  parsePod,
} from './environment.ts';
import { type Network, parseNetwork } from './network.ts';
import { type Previous, parsePrevious } from './previous.ts';
import {
  type CniCode,
  type CniError,
  type CniVersion,
  cniCode,
  cniError,
  newestVersion,
  type Wrong,
} from './spec.ts';

interface Common {
  readonly version: CniVersion;
}

export type CniRequest =
  | (Common &
      Attachment & {
        readonly command: 'ADD';
        readonly netns: string;
        readonly pod: PodName;
        readonly network: Network;
        /** What the plugin before us made: then only its policy is ours. */
        readonly previous?: Previous;
        readonly dns?: Readonly<Record<string, unknown>>;
      })
  | (Common &
      Attachment & {
        readonly command: 'CHECK';
        readonly netns: string;
        readonly pod: PodName;
        readonly network: Network;
        /** What the last plugin of the list had answered to ADD. */
        readonly previous: Previous;
      })
  | (Common & Attachment & { readonly command: 'DEL'; readonly netns?: string; readonly pod?: PodName })
  | (Common & { readonly command: 'STATUS'; readonly network: Network })
  /** Every attachment of ours in this network that is not in `valid` is stale. */
  | (Common & { readonly command: 'GC'; readonly network: string; readonly valid: readonly Attachment[] })
  | (Common & { readonly command: 'VERSION' });

/** What each command needs from the environment, and the version that brought it. */
const commands = {
  ADD: { needs: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_ARGS'], since: '0.3.1' },
  DEL: { needs: ['CNI_CONTAINERID', 'CNI_IFNAME'], since: '0.3.1' },
  CHECK: { needs: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_ARGS'], since: '0.4.0' },
  STATUS: { needs: [], since: '1.1.0' },
  GC: { needs: [], since: '1.1.0' },
  VERSION: { needs: [], since: '0.3.1' },
} as const satisfies Record<
  CniRequest['command'],
  { readonly needs: readonly string[]; readonly since: CniVersion }
>;

export function parseCniRequest(environment: CniEnvironment, stdin: string): Result<CniRequest, CniError> {
  if (environment['CNI_COMMAND'] === 'VERSION') return ok({ command: 'VERSION', version: newestVersion });
  const config = parseConfig(stdin);
  if (!config.ok) return labelled(newestVersion, config.error);
  const version = parseVersion(config.value);
  if (!version.ok) return labelled(newestVersion, version.error);
  const request = parseCommand({ version: version.value, environment, config: config.value });
  return request.ok ? request : labelled(version.value, request.error);
}

const labelled = (version: CniVersion, { code, msg }: Wrong): Result<never, CniError> =>
  err(cniError(version, code, msg));

const wrong = (code: CniCode, msg: string): Result<never, Wrong> => err({ code, msg });

interface Call {
  readonly version: CniVersion;
  readonly environment: CniEnvironment;
  readonly config: Config;
}

const isCommand = (text: string): text is CniRequest['command'] => Object.hasOwn(commands, text);

function parseCommand(call: Call): Result<CniRequest, Wrong> {
  const { version, environment, config } = call;
  const command = environment['CNI_COMMAND'] ?? '';
  if (!isCommand(command)) {
    const what = command === '' ? 'CNI_COMMAND is not set' : `CNI_COMMAND is "${command}"`;
    return wrong(cniCode.badEnvironment, `${what}; it must be one of ${Object.keys(commands).join(', ')}.`);
  }
  const { needs, since } = commands[command];
  if (version < since) {
    const why = `${command} came with CNI ${since}, and the configuration says cniVersion ${version}.`;
    return wrong(cniCode.incompatibleVersion, `${why} Raise cniVersion in the network configuration.`);
  }
  const flaw = missingVariables(needs, environment) ?? badVariables(environment);
  if (flaw !== undefined) return err(flaw);
  // Neither may fail for a configuration that has become wrong: what was made must be taken away.
  if (command === 'DEL') return ok(parseDel(call));
  if (command === 'VERSION') return ok({ command, version });
  const network = parseNetwork(config);
  return network.ok ? parsers[command](call, network.value) : network;
}

const attachmentOf = ({ version, environment }: Call): Common & Attachment => ({
  version,
  containerId: environment['CNI_CONTAINERID'] ?? '',
  ifname: environment['CNI_IFNAME'] ?? '',
});

const netnsOf = ({ environment }: Call): string => environment['CNI_NETNS'] ?? '';

function parseDel(call: Call): CniRequest {
  const pod = parsePod(call.environment);
  const netns = netnsOf(call);
  return {
    command: 'DEL',
    ...attachmentOf(call),
    ...(netns === '' ? {} : { netns }),
    ...(pod.ok ? { pod: pod.value } : {}),
  };
}

type Parsed = 'ADD' | 'CHECK' | 'GC' | 'STATUS';

const parsers: Readonly<Record<Parsed, (call: Call, network: Network) => Result<CniRequest, Wrong>>> = {
  STATUS: ({ version }, network) => ok({ command: 'STATUS', version, network }),
  GC: ({ version, config }, { name }) => {
    const valid = parseValid(config);
    if (valid !== undefined) return ok({ command: 'GC', version, network: name, valid });
    const what = 'GC needs "cni.dev/valid-attachments", a list of {"containerID", "ifname"}';
    return wrong(cniCode.badConfig, `${what}, in the network configuration.`);
  },
  ADD: (call, network) => {
    const pod = parsePod(call.environment);
    if (!pod.ok) return pod;
    const { prevResult, dns } = call.config;
    const previous = parsePrevious(prevResult);
    if (previous === undefined && prevResult !== undefined) {
      const what = 'The network configuration has a prevResult without a list of ips that can be read.';
      return wrong(cniCode.badConfig, `${what} It must be the result of the plugin before tortie.`);
    }
    if (previous === undefined && network.policyOnly) {
      const what = 'The network configuration says policyOnly and has no prevResult.';
      return wrong(
        cniCode.badConfig,
        `${what} Put tortie after the plugin that makes the interface, e.g. ptp.`,
      );
    }
    return ok({
      command: 'ADD',
      ...attachmentOf(call),
      netns: netnsOf(call),
      pod: pod.value,
      network,
      ...(previous === undefined ? {} : { previous }),
      ...(isRecord(dns) ? { dns } : {}),
    });
  },
  CHECK: (call, network) => {
    const pod = parsePod(call.environment);
    if (!pod.ok) return pod;
    const previous = parsePrevious(call.config['prevResult']);
    if (previous === undefined) {
      const what = 'CHECK needs the result of ADD as prevResult, with ips';
      return wrong(cniCode.badConfig, `${what}, in the network configuration.`);
    }
    return ok({
      command: 'CHECK',
      ...attachmentOf(call),
      netns: netnsOf(call),
      pod: pod.value,
      network,
      previous,
    });
  },
};
