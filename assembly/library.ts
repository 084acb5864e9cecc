/**
 * Build 2, decision.wasm: the decision as plain numbers and bytes, for Node.js (host/edge/decision.ts).
 */
import { parseEndpoint } from './decision/address';
import { bucketOf, writeKey } from './decision/key';
import { nextOwnerOf, ownerOf, writeHost, drawOf, hostAt } from './decision/rendezvous';
import { negativeLogarithm, logarithmEntry } from './decision/logarithm';

export { parseEndpoint, bucketOf, writeKey, nextOwnerOf, ownerOf, writeHost, drawOf, hostAt, negativeLogarithm, logarithmEntry };
