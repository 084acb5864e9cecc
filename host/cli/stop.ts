/** `nlb stop`: out of the cluster at once. */
import { changeVerb } from './change.js';

export const verb = changeVerb({
  name: 'stop',
  help: `
Takes this host out of the view at once. Its sidecar goes on and says that it is
stopped; nlb drainstop lets open connections finish first.`,
  path: () => '/stop',
});
