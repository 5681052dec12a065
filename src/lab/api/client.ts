/** Requests to the API server as its administrator, one connection each: few, and never kept over a restart of the server. */
import { request as httpsRequest } from 'node:https';
import type { Json } from '../../store/store.ts';
import { type Access, tokenOf } from './server.ts';

export interface Answer {
  readonly status: number;
  /** Text if it is not JSON. */
  readonly body: Json;
}

/** Rejects if there was no answer. @param type  of the body */
export type Ask = (
  method: string,
  path: string,
  body?: Json,
  type?: string,
  accept?: string,
) => Promise<Answer>;

const patienceMs = 10_000;

export function asAdmin({ server, certificate }: Access): Ask {
  return (method, path, body, type = 'application/json', accept = 'application/json') =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body);
      const asked = httpsRequest(
        `https://${server}${path}`,
        {
          ...{ method, ca: certificate, agent: false, timeout: patienceMs },
          headers: {
            ...{ authorization: `Bearer ${tokenOf('admin')}`, 'content-type': type, accept },
            // Of its own accord Node sends none with DELETE, and the body is not read then.
            'content-length': Buffer.byteLength(text),
          },
        },
        (response) => {
          const chunks: Uint8Array[] = [];
          response.on('data', (chunk: Uint8Array) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const said = Buffer.concat(chunks).toString('utf8');
            const isJson = /json/.test(response.headers['content-type'] ?? '');
            resolve({ status: response.statusCode ?? 0, body: isJson ? (JSON.parse(said) as Json) : said });
          });
        },
      );
      asked.on('timeout', () => asked.destroy(new Error(`${method} ${path}: no answer`)));
      asked.on('error', reject);
      asked.end(text);
    });
}
