/** JSON lines on standard error, one object a record; `pino` does the writing. Nothing secret is ever a field. */
import { pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Logger {
  readonly debug: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly info: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly warn: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly error: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
}

export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export interface LeveledLogger extends Logger {
  /** From now on. */
  readonly setLevel: (level: LogLevel) => void;
}

/** @param name  the process, e.g. "bgp"; @param node  the node it speaks for. Written synchronously: a crash loses no line. */
export function createLogger(name: string, node: string, level: LogLevel): LeveledLogger {
  const sink = pino(
    {
      level,
      base: { name, node },
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 2, sync: true }),
  );
  const at =
    (method: LogLevel) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
      sink[method](fields, message);
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    setLevel: (next) => {
      sink.level = next;
    },
  };
}
