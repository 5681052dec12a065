/** A process of `npm run bench -- bgp`: sessions that announce what was encoded before the clock started. */
import { setTimeout as pause } from 'node:timers/promises';
import { answer } from './calls.ts';
import { announcements, churn, type Voice, withdrawals } from './encode.ts';
import { nowMs, openSession, type Session, type SessionSpec } from './talk.ts';
import { type Plan, type Universe, universeOf } from './universe.ts';

let sessions: readonly Session[] = [];
let announced: readonly (readonly Buffer[])[] = [];
let withdrawn: readonly (readonly Buffer[])[] = [];
let universe: Universe | undefined;

const voiceOf = ({ spec }: Session, isInternal = false): Voice => ({
  asn: spec.asn,
  nextHop: spec.from,
  isInternal,
});

answer({
  open: async (specs: readonly SessionSpec[]) => {
    sessions = await Promise.all(
      specs.map((spec) =>
        openSession(
          spec,
          () => undefined,
          () => undefined,
        ),
      ),
    );
  },
  /** Encodes all there is to say. */
  plan: (plan: Plan) => {
    const made = universeOf(plan);
    universe = made;
    const speaking = sessions.slice(0, plan.injectors);
    announced = speaking.map((session, index) =>
      announcements(plan, made, index, voiceOf(session, plan.isInternal)),
    );
    withdrawn = speaking.map((_, index) => withdrawals(plan, made, index));
    return announced.flat().reduce((sum, piece) => sum + piece.length, 0);
  },
  /** Everything at full speed, from all sessions side by side. Answers when it began and when it was all with the kernel. */
  send: async (what: 'announce' | 'withdraw') => {
    const began = nowMs();
    const pieces = what === 'announce' ? announced : withdrawn;
    await Promise.all(pieces.map((one, index) => sessions[index]?.write(one)));
    return { began, ended: nowMs() };
  },
  /** `rate` a second, a message each; answers with when each was written. */
  churn: async ({ from, count, rate }: { from: number; count: number; rate: number }) => {
    const [session] = sessions;
    if (session === undefined || universe === undefined) throw new Error('churn before plan');
    const { bytes, ends } = churn(universe, voiceOf(session), from, count);
    const times = new Float64Array(count);
    const began = nowMs();
    for (let sent = 0; sent < count; ) {
      const due = Math.min(count, Math.ceil(((nowMs() - began) * rate) / 1000));
      const at = nowMs();
      if (due > sent) session.writeNow(bytes.subarray(ends[sent - 1] ?? 0, ends[due - 1]));
      times.fill(at, sent, due);
      sent = due;
      await pause(1);
    }
    return times;
  },
  closed: () => sessions.map((session) => session.closed()),
});
