// Which tab holds the socket and sends the outbox. The browser gives the lock to one tab and hands it on when that tab
// closes or crashes, so there is no time-out and no split vote.

export interface Election {
  /** Gives up the lead, or the wait for it. */
  stop(): void;
}

export type Elect = (account: string, onLead: () => void) => Election;

/** Without Web Locks (an insecure origin) every tab leads itself: more sockets, the same result. */
export const electByLock: Elect = (account, onLead) => {
  const locks = typeof navigator === "undefined" ? undefined : navigator.locks;
  if (!locks) {
    onLead();
    return { stop: () => {} };
  }
  const abort = new AbortController();
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  locks
    .request(`gori-${account}`, { signal: abort.signal }, () => {
      if (abort.signal.aborted) return undefined;
      onLead();
      return held;
    })
    .catch(() => {}); // stopped while waiting
  return {
    stop: () => {
      abort.abort();
      release();
    },
  };
};
