import { expect, test } from 'vitest';
import { servicesText } from '../../../src/ctl/services.ts';

test('each range and each address has its line, with why', () => {
  const text = servicesText({
    followed: true,
    ranges: [
      {
        kind: 'load balancer IP',
        range: '192.0.2.0/24',
        advertised: true,
        reason: 'every node announces it',
      },
    ],
    services: [
      {
        namespace: 'shop',
        name: 'front',
        kind: 'load balancer IP',
        address: '192.0.2.7',
        advertised: false,
        reason: 'no endpoint here',
      },
    ],
  });
  expect(text).toBe(
    [
      'RANGE         OF                ANNOUNCED  WHY',
      '192.0.2.0/24  load balancer IP  yes        every node announces it',
      '',
      'SERVICE     ADDRESS    OF                ANNOUNCED  WHY',
      'shop/front  192.0.2.7  load balancer IP  no         no endpoint here',
    ].join('\n'),
  );
});

test('where nothing is asked for it says which fields would', () => {
  expect(servicesText({ followed: false, ranges: [], services: [] })).toContain('serviceLoadBalancerIPs');
});
