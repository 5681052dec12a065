/**
 * Prometheus metrics and health over HTTP on a loopback port.
 *
 * /metrics in text format; /livez and /readyz answer 200 "ok", or 503 and the reason in one sentence.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Result } from '../lib/result.ts';
import { err, ok } from '../lib/result.ts';
import type { Meter } from '../store/meter.ts';
import { http } from './http.ts';

export interface Health {
  /** A sentence if the process should be restarted. */
  readonly live: () => string | undefined;
  /** A sentence if it does not do its job (yet). */
  readonly ready: () => string | undefined;
}

export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** What this process asks of the API server and gets from it; give it to `openStore` and `openObjects`. */
export function apiMeter(registry: Registry): Meter {
  const registers = [registry];
  const requests = new Counter({
    name: 'tortie_api_requests_total',
    help: 'Requests to the API server by verb, kind and HTTP status; code 0: no answer came.',
    labelNames: ['verb', 'kind', 'code'],
    registers,
  });
  const bytes = new Counter({
    name: 'tortie_api_received_bytes_total',
    help: 'Bytes of answers of the API server, watches included, by kind.',
    labelNames: ['kind'],
    registers,
  });
  return {
    requested: (verb, kind, code) => requests.inc({ verb, kind, code: String(code) }),
    received: (kind, count) => bytes.inc({ kind }, count),
  };
}

/** @param listen  "ADDR:PORT", e.g. "127.0.0.1:9091". Fails with a sentence if it cannot be listened on. */
export function serveMetrics(
  listen: string,
  registry: Registry,
  health: Health,
): Promise<Result<{ close(): void }>> {
  const at = listen.lastIndexOf(':');
  const host = listen.slice(0, at).replace(/^\[|\]$/g, '');
  const port = Number(listen.slice(at + 1));
  if (at < 1 || !Number.isInteger(port) || port < 0 || port > 65535) {
    return Promise.resolve(err(`"${listen}" is not ADDR:PORT. Write for example 127.0.0.1:9091.`));
  }
  new Gauge({
    name: 'tortie_ready',
    help: '1 if /readyz says yes: the process does its job.',
    registers: [registry],
    collect() {
      this.set(health.ready() === undefined ? 1 : 0);
    },
  });
  const server = http.createServer((incoming, outgoing) => {
    const reply = (status: number, text: string): void => {
      outgoing.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
      outgoing.end(text);
    };
    const say = (why: string | undefined): void => reply(why === undefined ? 200 : 503, `${why ?? 'ok'}\n`);
    if (incoming.url === '/livez') say(health.live());
    else if (incoming.url === '/readyz') say(health.ready());
    else if (incoming.url === '/metrics') {
      registry.metrics().then(
        (text) => reply(200, text),
        (error: unknown) => reply(500, String(error)),
      );
    } else reply(404, 'Served here: /metrics /livez /readyz\n');
  });
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(err(`${listen} cannot be listened on: ${error.message}.`)));
    server.listen(port, host, () => resolve(ok({ close: () => server.close() })));
  });
}
