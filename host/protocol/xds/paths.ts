/** Where the files are that Envoy is given, and its admin socket: all below the state directory. */
export interface EnvoyPaths {
  directory: string;
  bootstrap: string;
  lds: string;
  cds: string;
  ecds: string;
  /** The certificate shown at handoffs, with its private key, and the public keys accepted there. */
  certificate: string;
  accepted: string;
  adminSocket: string;
  /** Links of rules whose service is to be used (gate.ts). */
  gates: string;
  /** Who is served here, for the sidecar (client-log.ts). */
  clientLog: string;
}

/** @param stateDir  absolute, without a slash at its end */
export function envoyPaths(stateDir: string): EnvoyPaths {
  const directory = `${stateDir}/envoy`;
  return {
    directory,
    bootstrap: `${directory}/bootstrap.json`,
    lds: `${directory}/lds.json`,
    cds: `${directory}/cds.json`,
    ecds: `${directory}/ecds.json`,
    certificate: `${directory}/handoff-certificate.json`,
    accepted: `${directory}/handoff-accepted.json`,
    adminSocket: `${directory}/admin.sock`,
    gates: `${directory}/gates`,
    clientLog: `${directory}/clients.log`,
  };
}
