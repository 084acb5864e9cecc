/** What a host says of itself and the virtual IPs, mode arp. Who holds them follows from it in holder.ts. */

/** Beside whether it holds. `wants`: they shall come to it. `unable`: it cannot hold them now. In the order of their bits. */
export const HOLDER_WISHES = ['none', 'wants', 'unable'] as const;
export type HolderWish = (typeof HOLDER_WISHES)[number];

/** In every packet of this host. */
export interface HolderClaim {
  /** It has the virtual IPs on its interface and answers for them. */
  holds: boolean;
  wish: HolderWish;
}
