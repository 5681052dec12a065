/** `Objects` that tell when the API server answered, whatever it said. */
import type { Result } from '../lib/result.ts';
import type { Objects, Refusal } from '../store/objects.ts';

export function listening(objects: Objects, onAnswer: () => void): Objects {
  const heard = async <T>(asked: Promise<Result<T, Refusal>>): Promise<Result<T, Refusal>> => {
    const answer = await asked;
    if (answer.ok || (answer.error.kind !== 'away' && answer.error.kind !== 'unknown')) onAnswer();
    return answer;
  };
  return {
    get: (ref) => heard(objects.get(ref)),
    list: (kind, scope) => heard(objects.list(kind, scope)),
    create: (manifest) => heard(objects.create(manifest)),
    update: (manifest, version) => heard(objects.update(manifest, version)),
    updateStatus: (manifest, version) => heard(objects.updateStatus(manifest, version)),
    delete: (ref, version) => heard(objects.delete(ref, version)),
  };
}
