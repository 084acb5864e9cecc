/** The cluster key as routes: `nlb key list` and `nlb key rotate`. No key itself is ever in an answer. */
import type { Asked, Route } from '../admin/route.js';
import type { HeldKeys } from './held-keys.js';
import type { Rotation } from './rotation.js';

export function keyRoutes(held: HeldKeys, rotation: Rotation): Route[] {
  return [
    {
      method: 'GET',
      path: '/keys',
      role: 'read',
      isForAnyHost: true,
      summary: 'Which cluster keys are valid on this host, by id and fingerprint.',
      replies: { 200: 'KeyState' },
      handle: () => ({ code: 200, body: held.state() }),
    },
    {
      method: 'POST',
      path: '/keys/rotate',
      role: 'configure',
      isForAnyHost: true,
      summary: 'Gives all hosts a new cluster key, or goes on with a change that was interrupted.',
      query: [
        {
          name: 'without',
          help: 'a host that is left behind, by name or host priority; may be given several times',
          isList: true,
        },
        { name: 'back', help: 'true takes back a key that no host seals with yet', isFlag: true },
      ],
      replies: { 200: 'VerbAnswer', 409: 'VerbAnswer' },
      async handle({ url }: Asked) {
        const without = url.searchParams.getAll('without');
        const answer = await rotation.carryOut({ without, back: url.searchParams.get('back') === 'true' });
        return { code: answer.ok ? 200 : 409, body: answer };
      },
    },
  ];
}
