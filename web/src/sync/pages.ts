// Fetching history, and what a page proves about the channel.
import type { Effect, PageCover } from "../model/patch";
import type { ChannelID, Page } from "../model/types";
import type { PageQuery } from "../net/api";
import type { Core } from "./core";

export const PAGE = 60;

export type ChannelQuery = Omit<PageQuery, "thread">;

/** What an answer to a query covers. Never more than the messages it holds prove: the channel's last_seq may have been
 *  read a moment before or after them. */
export function coverOf(channel: ChannelID, q: ChannelQuery, page: Page): PageCover {
  const first = page.messages[0];
  const last = page.messages[page.messages.length - 1];
  let from = first?.seq ?? 1;
  let to = last?.seq ?? 0;
  if (q.after !== undefined) {
    from = q.after + 1;
    to = last?.seq ?? q.after;
  } else if (q.before !== undefined) {
    from = first?.seq ?? q.before;
    to = q.before - 1;
  }
  const start = !page.more_before && q.after === undefined ? { start: from } : {};
  return { channel, messages: page.messages, from, to, ...start, lastSeq: page.last_seq, lastChange: page.last_change };
}

export interface Fetched {
  readonly page: Page;
  readonly cover: PageCover;
  readonly effect: Effect;
}

/** Fetches a page of a channel and commits it. */
export async function fetchPage(core: Core, channel: ChannelID, q: ChannelQuery): Promise<Fetched> {
  const page = await core.api.messages(channel, { limit: PAGE, ...q });
  const cover = coverOf(channel, q, page);
  const effect = await core.commit({ pages: [cover] });
  return { page, cover, effect };
}

