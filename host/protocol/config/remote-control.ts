/**
 * Remote control in the cluster file: off where the key is missing. The schema, what is checked beyond it, and the filled-in
 * form. Paths are taken from the folder of the cluster file, as keyFile is.
 */
import type { RemoteControl } from '../types.js';
import type { Draft, Sound } from './draft.js';
import type { Complaint } from './yaml-text.js';

export const REMOTE_CONTROL_DEFAULTS = { port: 7623, tokenFile: 'remote.tokens' } as const;

const NAMES_MAX = 16;
const path = { type: 'string', minLength: 1, maxLength: 1024 } as const;

export const REMOTE_CONTROL_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  'x-expected': 'a map such as {port: 7623}, or {} for the defaults',
  description:
    'HTTPS with tokens for people and tools elsewhere; off where this is missing. TCP, on the dedicated address.',
  properties: {
    port: {
      type: 'integer',
      minimum: 1,
      maximum: 65535,
      default: REMOTE_CONTROL_DEFAULTS.port,
      'x-expected': 'a port 1-65535',
    },
    tokenFile: {
      ...path,
      default: REMOTE_CONTROL_DEFAULTS.tokenFile,
      'x-expected': 'the path of the tokens, relative to this file',
      description: 'Made by nlb token add, on each host its own.',
    },
    certificate: {
      ...path,
      'x-expected': 'the path of a certificate chain in PEM form, relative to this file',
      description: 'Left out: each host makes one, and its fingerprint is what it is known by.',
    },
    privateKey: { ...path, 'x-expected': 'the path of its private key in PEM form, relative to this file' },
    names: {
      type: 'array',
      maxItems: NAMES_MAX,
      items: {
        type: 'string',
        pattern: '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$',
        'x-expected': 'a name in lower case such as mail1.example.org',
      },
      'x-expected': `a list of at most ${NAMES_MAX} names`,
      description:
        'Names in a certificate made here, beside the name and the dedicated IP of the host and the cluster.',
    },
  },
} as const;

export interface RemoteControlDraft {
  port: number;
  tokenFile: string;
  certificate: string | null;
  privateKey: string | null;
  names: string[];
}

export function remoteControlDraft(sound: Sound): RemoteControlDraft | null {
  if (!sound.keys().has('remoteControl')) return null;
  return {
    port: sound.or<number>(REMOTE_CONTROL_DEFAULTS.port, 'remoteControl', 'port'),
    tokenFile: sound.or<string>(REMOTE_CONTROL_DEFAULTS.tokenFile, 'remoteControl', 'tokenFile'),
    certificate: sound.get<string>('remoteControl', 'certificate') ?? null,
    privateKey: sound.get<string>('remoteControl', 'privateKey') ?? null,
    names: sound.elements('remoteControl', 'names').flatMap((each) => sound.get<string>(...each) ?? []),
  };
}

export function remoteControlComplaints({ remoteControl, ports }: Draft): Complaint[] {
  if (remoteControl === null) return [];
  const { port, certificate, privateKey } = remoteControl;
  const complaints: Complaint[] = [];
  const other = (['handoff', 'channel', 'page'] as const).find((each) => ports[each] === port);
  if (other !== undefined) {
    const expected = `a port of its own: ports.${other} is ${port} too, and both are TCP`;
    complaints.push({ path: ['remoteControl', 'port'], expected, says: `is ${port}, expected ${expected}` });
  }
  if ((certificate === null) !== (privateKey === null)) {
    const [given, missing] = certificate === null ? ['privateKey', 'certificate'] : ['certificate', 'privateKey'];
    const expected = `${missing} beside it, or neither`;
    complaints.push({ path: ['remoteControl', given!], expected, says: `stands alone, expected ${expected}` });
  }
  return complaints;
}

/** Undefined where it is off, so that the fingerprint of such a file stays what it was. */
export function remoteControlOf({ remoteControl }: Draft): RemoteControl | undefined {
  return remoteControl ?? undefined;
}
