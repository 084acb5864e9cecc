/**
 * What remote control shows: the certificate of the cluster file, read again when it is renewed, or one that this host made
 * once and keeps in its state directory; that one is known by its fingerprint.
 */
import { createPrivateKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { EdgeError, systemCode } from '../edge/edge-error.js';
import { fileStamp } from '../edge/file-stamp.js';
import { replaceFile } from '../edge/files.js';
import { certificatePem } from '../edge/x509.js';
import { parseAddress } from '../protocol/config/address.js';
import type { HostConfig, RemoteControl } from '../protocol/types.js';

export interface RemoteCertificate {
  certPem: string;
  keyPem: string;
  x509: X509Certificate;
  /** `sha256:` and 64 hex digits, of the whole certificate. */
  fingerprint: string;
  /** Null for one that was made here. */
  isGiven: boolean;
}

export interface CertificatePlace {
  settings: RemoteControl;
  clusterFilePath: string;
  stateDirectory: string;
  self: HostConfig;
  clusterName: string;
}

const DAY_MS = 86_400_000;
/** As nlb doctor has it. */
const ENDS_SOON_DAYS = 14;

/** @throws EdgeError CERTIFICATE with a sentence */
export async function loadCertificate(place: CertificatePlace): Promise<RemoteCertificate> {
  const { certificate, privateKey } = place.settings;
  if (certificate === null || privateKey === null) return madeHere(place);
  const [certPath, keyPath] = pathsOf(place);
  return certificateFrom(read(certPath!), read(keyPath!), true, `${certPath} and ${keyPath}`);
}

/** Changes when the given files do; empty for a certificate made here. */
export function certificateStamp(place: CertificatePlace): string {
  return pathsOf(place).map(fileStamp).join(' ');
}

/** What is to be said of it; null while it is good for a while. */
export function certificateProblem({ x509, isGiven }: RemoteCertificate, nowIso: string): string | null {
  if (!isGiven) return null;
  const days = Math.floor((Date.parse(x509.validTo) - Date.parse(nowIso)) / DAY_MS);
  if (days >= ENDS_SOON_DAYS) return null;
  const when = days < 0 ? `has ended (${x509.validTo})` : `ends in ${days} days (${x509.validTo})`;
  return `The certificate of remote control ${when}; a renewed file is read by itself`;
}

/** Whether somebody who asked for `host` (a name or an address, without port) means this certificate. */
export function isNamedBy({ x509 }: RemoteCertificate, host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '');
  return isIP(bare) === 0 ? x509.checkHost(bare) !== undefined : x509.checkIP(bare) !== undefined;
}

function pathsOf({ settings, clusterFilePath }: CertificatePlace): string[] {
  const { certificate, privateKey } = settings;
  return certificate === null || privateKey === null
    ? []
    : [certificate, privateKey].map((path) => resolve(dirname(clusterFilePath), path));
}

/** Made once; made anew where the names it is for have changed. */
async function madeHere(place: CertificatePlace): Promise<RemoteCertificate> {
  const path = join(place.stateDirectory, 'remote-control.pem');
  const names = [place.self.name, place.clusterName, ...place.settings.names];
  if (existsSync(path)) {
    const text = read(path);
    const kept = certificateFrom(text, text, false, path);
    const isForAll = [...names, place.self.dedicatedIp].every((name) => isNamedBy(kept, name));
    if (isForAll) return kept;
  }
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const cert = certificatePem({
    commonName: place.self.name,
    publicKeyInfo: publicKey.export({ format: 'der', type: 'spki' }),
    signer: privateKey,
    names: { dns: [...new Set(names)], addresses: [addressBytes(place.self.dedicatedIp)] },
    serial: Buffer.concat([Buffer.from([1]), randomBytes(15)]),
  });
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  await replaceFile(path, cert + key);
  return certificateFrom(cert, key, false, path);
}

/** 4 or 16. */
function addressBytes(text: string): Buffer {
  const address = parseAddress(text);
  if (address === null) throw new Error(`the dedicated IP ${text} is no address`);
  return Buffer.from(address.bytes);
}

function certificateFrom(certPem: string, keyPem: string, isGiven: boolean, where: string): RemoteCertificate {
  try {
    const x509 = new X509Certificate(certPem);
    if (!x509.checkPrivateKey(createPrivateKey(keyPem))) throw new Error('the private key is of another certificate');
    const fingerprint = `sha256:${x509.fingerprint256.replaceAll(':', '').toLowerCase()}`;
    return { certPem, keyPem, x509, fingerprint, isGiven };
  } catch (error) {
    throw new EdgeError(
      'CERTIFICATE',
      `Cannot use the certificate of remote control in ${where}: ${(error as Error).message}`,
    );
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new EdgeError('CERTIFICATE', `Cannot read the certificate of remote control ${path}: ${systemCode(error)}`);
  }
}
