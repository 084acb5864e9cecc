/** What a status says of the virtual IPs in the modes arp and multicast; part of `nlb query --json` and of the page. */

export interface VirtualIpStatus {
  addresses: string[];
  /** Interface of this host they are on, or would be; null where there is none. */
  device: string | null;
  /** Mode arp: the holder as seen from here; null where nobody is known to hold them. */
  holder: string | null;
  since: string | null;
  isHeldHere: boolean;
  /** Source of connections that the holder opens itself. */
  outgoing: 'dedicatedIp' | 'virtualIp';
  /** How long this host's kernel goes on for a sidecar that does not renew it. */
  leaseMs: number;
  /** Why the kernel does not pass connections on to their owners; null where it does. */
  kernelProblem: string | null;
}
