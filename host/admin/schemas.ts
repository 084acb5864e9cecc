/**
 * The types that the routes ask for and answer with. scripts/build.mjs makes their JSON Schemas (build/host/admin/schemas.json)
 * from the sources themselves, so that the OpenAPI document cannot say another thing than the code.
 */
export type { ApplyAnswer } from '../apply/apply-host.js';
export type { ListedRevision } from '../apply/applying.js';
export type { ApplyRequest, ConfirmRequest, RollbackRequest } from '../apply/control.js';
export type { HostFacts } from '../doctor/facts.js';
export type { HistoryEntry } from '../history/entry.js';
export type { KeyState } from '../keys/held-keys.js';
export type { ListedRule } from '../stick/listed.js';
export type { InForce } from '../protocol/types.js';
export type { RemoteControlState } from '../remote/remote-control.js';
export type { Access, EntryAnswer, VerbAnswer } from './api.js';
export type { Explanation } from './explain.js';
export type { ClusterStatus } from './status.js';
