/** The probe without the rights that only part of it needs. */
import { execFile } from 'node:child_process';
import { expect, test } from 'vitest';

const room = new URL('../../felix/probe/', import.meta.url).pathname;

/** Runs `knock` on loopback in a process without CAP_NET_RAW. */
function knockWithout(asked: object): Promise<string> {
  const script = `
    const { knock } = await import('${room}knock.ts');
    const { parseProbeRequest } = await import('${room}request.ts');
    const asked = parseProbeRequest(${JSON.stringify(JSON.stringify(asked))});
    console.log(await knock(undefined, asked.value).then((out) => out.kind, (error) => error.code));`;
  return new Promise((resolve, reject) => {
    execFile(
      'setpriv',
      [
        ...['--bounding-set', '-net_raw', '--inh-caps', '-net_raw'],
        ...[process.execPath, '--input-type=module', '-e', script],
      ],
      (error, stdout) => (error === null ? resolve(stdout.trim()) : reject(error)),
    );
  });
}

const flow = { from: 'host', source: '127.0.0.1', to: '127.0.0.1', withinMs: 20_000 };

test('without CAP_NET_RAW a connection is tried all the same, and a ping is refused with the reason', async () => {
  const [tcp, echo] = await Promise.all([
    knockWithout({ ...flow, protocol: 6, port: 9, sourcePort: 61_001 }),
    knockWithout({ ...flow, protocol: 1, icmpId: 7 }),
  ]);
  expect({ tcp, echo }).toEqual({ tcp: 'refused', echo: 'EPERM' });
}, 60_000);
