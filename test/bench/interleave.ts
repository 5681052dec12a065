/** Two contenders in turn, ours first in even rounds and last in odd ones, so that neither has the warmer machine. */
export async function inTurns(
  rounds: number,
  ours: (round: number) => Promise<void>,
  peer: (round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const [first, second] = round % 2 === 0 ? [ours, peer] : [peer, ours];
    await first(round);
    await second(round);
  }
}
