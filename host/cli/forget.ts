/** `nlb forget`: a host that is gone for good is not missed any more. */
import { changeVerb } from './change.js';

export const verb = changeVerb({
  name: 'forget',
  argument: 'HOST',
  help: `
A host that is lost, or was never seen, is not listed, waited for or asked by
--all any more, and this host is not "alone" for want of it. The first sign of
life takes that back; a host that is heard cannot be forgotten. What is
forgotten is this host's own to know: --all tells all the others.

The cluster file still has it: nlb apply asks for --without, and a file without
that host is what takes it out for good.`,
  // The one that is meant does not answer, or it could not be forgotten.
  skips: (call) => call.positionals[0]!,
  path: (call) => `/forget?name=${encodeURIComponent(call.positionals[0]!)}`,
});
