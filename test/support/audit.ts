/** The API server's audit log: who asked for what. */
import { readFileSync } from 'node:fs';

export interface AuditEntry {
  readonly user: string;
  readonly verb: string;
  readonly uri: string;
  /** Plural and, after "/", subresource. */
  readonly resource: string;
  readonly code: number;
}

/** Nothing but the fact of a request, once it is answered; of a watch, once it is open. */
export const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{ level: Metadata }]
`;

export const auditFlags: readonly string[] = ['--audit-log-mode=blocking', '--audit-log-maxage=1'];

interface Line {
  readonly stage: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code: number };
}

export function readAudit(path: string): readonly AuditEntry[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines
    .map((line) => JSON.parse(line) as Line)
    .filter(({ stage, verb }) => stage === (verb === 'watch' ? 'ResponseStarted' : 'ResponseComplete'))
    .map(({ user, verb, requestURI, objectRef, responseStatus }) => ({
      user: user.username,
      verb,
      uri: requestURI,
      resource: [objectRef?.resource, objectRef?.subresource].filter((part) => part !== undefined).join('/'),
      code: responseStatus?.code ?? 0,
    }));
}
