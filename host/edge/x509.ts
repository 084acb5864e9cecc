/**
 * X.509 certificates of our own, in the few forms that are needed. They say nothing by their time: whoever meets one knows it
 * by its key, so that there is no night on which it expires. Source: RFC 5280, section 4.1.
 */
import { type KeyObject, sign } from 'node:crypto';

export interface CertificateOptions {
  commonName: string;
  /** DER. */
  publicKeyInfo: Buffer;
  /** Ed25519 (its signatures are the same each time) or P-256. */
  signer: KeyObject;
  /** What it is for. @default none, and then there is no extension at all */
  names?: { dns: readonly string[]; addresses: readonly Buffer[] };
  /** Positive. @default 1 */
  serial?: Buffer;
}

/** AlgorithmIdentifiers: id-Ed25519; ecdsa-with-SHA256. */
const ED25519 = Buffer.from('300506032b6570', 'hex');
const ECDSA_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex');
const OID_COMMON_NAME = Buffer.from('0603550403', 'hex');
const OID_ALTERNATIVE_NAMES = Buffer.from('0603551d11', 'hex');
const COMMON_NAME_BYTES_MAX = 64;
const [NOT_BEFORE, NOT_AFTER] = ['20000101000000Z', '99991231235959Z'];
/** Tags of GeneralName. */
const [DNS_NAME, IP_ADDRESS] = [0x82, 0x87];

export function certificatePem({ commonName, publicKeyInfo, signer, names, serial }: CertificateOptions): string {
  const isEd25519 = signer.asymmetricKeyType === 'ed25519';
  const algorithm = isEd25519 ? ED25519 : ECDSA_SHA256;
  const name = sequence(
    set(sequence(OID_COMMON_NAME, der(0x0c, Buffer.from(commonName.slice(0, COMMON_NAME_BYTES_MAX))))),
  );
  const validity = sequence(der(0x18, Buffer.from(NOT_BEFORE)), der(0x18, Buffer.from(NOT_AFTER)));
  const version3 = der(0xa0, der(0x02, Buffer.from([2])));
  const number = der(0x02, serial ?? Buffer.from([1]));
  const extensions = names === undefined ? [] : [der(0xa3, sequence(alternativeNames(names)))];
  const body = sequence(version3, number, algorithm, name, validity, name, publicKeyInfo, ...extensions);
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign(isEd25519 ? null : 'sha256', body, signer)]));
  return pem(sequence(body, algorithm, signature));
}

function alternativeNames({ dns, addresses }: NonNullable<CertificateOptions['names']>): Buffer {
  const all = [
    ...dns.map((each) => der(DNS_NAME, Buffer.from(each, 'latin1'))),
    ...addresses.map((each) => der(IP_ADDRESS, each)),
  ];
  return sequence(OID_ALTERNATIVE_NAMES, der(0x04, sequence(...all)));
}

const sequence = (...parts: Buffer[]): Buffer => der(0x30, Buffer.concat(parts));
const set = (...parts: Buffer[]): Buffer => der(0x31, Buffer.concat(parts));

/** Tag, length, content; a length from 128 takes bytes of its own. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const lengthBytes = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >>> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}

function pem(bytes: Buffer): string {
  const lines = bytes
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
