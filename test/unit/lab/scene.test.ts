/** What the scenes of the lab reckon with: the books of numbered packets, and what BIRD prints of a reflected route. */
import { expect, test } from 'vitest';
import { Books } from '../../../src/lab/scene/books.ts';
import { heardIn } from '../../../src/lab/scene/reflector.ts';
import { median } from '../../../src/lab/scene/scene.ts';

/** One packet a millisecond from 0 on; `lost` did not arrive, the answers to `unanswered` did not come back. */
function booksOf(count: number, lost: readonly number[], unanswered: readonly number[]): Books {
  const books = new Books();
  for (let ms = 0; ms < count; ms += 1) {
    const number = books.send(ms);
    if (lost.includes(ms)) continue;
    books.arrive(number);
    if (!unanswered.includes(ms)) books.answer(number);
  }
  return books;
}

test('packets are counted by when they were sent, and each lost one in the direction it was lost in', () => {
  const counted = booksOf(100, [10, 12, 50], [20, 50]).count(5, 30);
  expect(counted).toEqual({
    sent: 26,
    there: { lost: 2, firstAt: 10, lastAt: 12 },
    back: { lost: 1, firstAt: 20, lastAt: 20 },
    pauseMs: 1,
  });
});

test('nothing lost has no first and no last', () => {
  expect(booksOf(3, [], []).count(0, 2)).toEqual({
    sent: 3,
    there: { lost: 0 },
    back: { lost: 0 },
    pauseMs: 1,
  });
  expect(new Books().count(0, 10)).toMatchObject({ sent: 0, pauseMs: 0 });
});

test('a sender that stood still is told', () => {
  const books = new Books();
  for (const at of [0, 1, 41, 42]) books.answer(books.send(at));
  expect(books.count(0, 100).pauseMs).toBe(40);
});

test('an answer to a number that was never sent changes nothing', () => {
  const books = booksOf(2, [1], []);
  books.answer(7);
  expect(books.count(0, 10).there.lost).toBe(1);
});

test('the median is the middle one, of an even number the later', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(3);
  expect(median([])).toBeUndefined();
});

/** BIRD 2.0.12, `show route protocol reflector all`. */
const printed = `Table master4:
10.65.2.0/26         unicast [reflector 18:15:02.012] * (100) [i]
	via 172.30.1.2 on eth0
	Type: BGP univ
	BGP.origin: IGP
	BGP.as_path: 
	BGP.next_hop: 172.30.1.2
	BGP.local_pref: 100
	BGP.originator_id: 172.30.1.2
	BGP.cluster_list: 244.0.0.1
10.65.0.0/26         unicast [reflector 18:15:01.912] * (100) [i]
	via 172.30.0.11 on eth0
	Type: BGP univ
	BGP.origin: IGP
	BGP.as_path: 
	BGP.next_hop: 172.30.0.11
	BGP.local_pref: 100
`;

test('what a client heard is read from BIRD, with and without the attributes of reflection', () => {
  expect(heardIn(printed)).toEqual([
    { prefix: '10.65.2.0/26', nextHop: '172.30.1.2', originator: '172.30.1.2', cluster: '244.0.0.1' },
    { prefix: '10.65.0.0/26', nextHop: '172.30.0.11', originator: undefined, cluster: undefined },
  ]);
  expect(heardIn('')).toEqual([]);
});
