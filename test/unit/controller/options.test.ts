import { afterEach, describe, expect, test, vi } from 'vitest';
import { parseOptions } from '../../../src/controller/options.ts';

afterEach(() => vi.restoreAllMocks());

describe('the command line of tortie controller', () => {
  test('needs a datastore and nothing else', () => {
    expect(parseOptions(['--datastore', 'kubernetes'])).toMatchObject({
      ...{ datastore: 'kubernetes', metrics: '127.0.0.1:9094', leakGrace: 900_000 },
      ...{ assignIps: 'AllServices', classlessServices: true, logLevel: 'info' },
    });
  });

  test.each([
    ['90s', 90_000],
    ['15m', 900_000],
    ['1h', 3_600_000],
  ])('takes %s as a time', (text, ms) => {
    expect(parseOptions(['--datastore', 'dir:x', '--leak-grace', text])).toMatchObject({ leakGrace: ms });
  });

  test.each([
    [[]],
    [['--datastore', 'kubernetes', '--leak-grace', '15']],
    [['--datastore', 'kubernetes', '--leak-grace', '0m']],
    [['--datastore', 'kubernetes', '--assign-ips', 'Some']],
    [['--datastore', 'kubernetes', '--party']],
  ])('that is wrong (%j) ends with 2 and says why', (argv) => {
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect(parseOptions(argv)).toBe(2);
    expect(said).toHaveBeenCalled();
  });

  test('leaves classless Services to others if told so', () => {
    const argv = ['--datastore', 'dir:x', '--no-classless-services', '--assign-ips', 'RequestedServicesOnly'];
    expect(parseOptions(argv)).toMatchObject({
      classlessServices: false,
      assignIps: 'RequestedServicesOnly',
    });
  });
});
