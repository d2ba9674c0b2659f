// The open thread: a message and the replies under it.
import { batch } from "@preact/signals";
import { problemOf } from "../model/problem";
import { absorbReplies, findMessage, mergeMessages, replyBounds, type Window } from "../model/timeline";
import type { ChannelID, Message, Seq } from "../model/types";
import { IDLE, writeTimeline as view } from "../state/timeline";
import type { Core } from "./core";
import type { History } from "./history";
import type { People } from "./people";

const REPLIES = 100;

export class Threads {
  private readonly core: Core;
  private readonly history: History;
  private readonly people: People;
  private turn = 0;

  constructor(core: Core, history: History, people: People) {
    this.core = core;
    this.history = history;
    this.people = people;
  }

  async open(root: Seq): Promise<void> {
    const channel = view.openID.value;
    if (!channel) return;
    const turn = ++this.turn;
    const w = view.current.value;
    const known = w ? w.messages.filter((m) => m.seq === root || m.thread === root) : [];
    batch(() => {
      view.threadRoot.value = root;
      view.threadWindow.value = windowOf(channel, root, known, true);
      view.threadLoadState.value = { ...IDLE, open: "loading" };
    });
    await this.load(turn, channel, root);
  }

  close(): void {
    this.turn++;
    batch(() => {
      view.threadRoot.value = null;
      view.threadWindow.value = null;
      view.threadLoadState.value = IDLE;
    });
  }

  /** Points out a reply; the view goes there once it is loaded. */
  toSeq(seq: Seq): void {
    const root = view.threadRoot.value;
    if (root) view.jump.value = { seq, thread: root, at: this.core.clock.now() };
  }

  /** The connection is back: what was said meanwhile is fetched. */
  async refresh(): Promise<void> {
    const channel = view.openID.value;
    const root = view.threadRoot.value;
    if (channel && root) await this.load(this.turn, channel, root);
  }

  async older(): Promise<void> {
    const w = view.threadWindow.value;
    const root = view.threadRoot.value;
    if (!w || !root || !w.moreBefore || view.threadLoadState.value.older === "loading") return;
    const turn = this.turn;
    view.threadLoadState.value = { ...IDLE, older: "loading" };
    try {
      const page = await this.core.api.messages(w.channel, { thread: root, before: w.from, limit: REPLIES });
      if (turn !== this.turn) return;
      const now = view.threadWindow.value ?? w;
      view.threadWindow.value = windowOf(w.channel, root, mergeMessages(now.messages, page.messages), page.more_before);
      view.threadLoadState.value = IDLE;
      this.people.needOf(page.messages);
    } catch (err) {
      if (turn === this.turn) view.threadLoadState.value = { ...IDLE, older: "failed", problem: problemOf(err) };
    }
  }

  private async load(turn: number, channel: ChannelID, root: Seq): Promise<void> {
    try {
      const top = findMessage(view.current.value, root) ?? (await this.history.one(channel, root));
      const page = await this.core.api.messages(channel, { thread: root, limit: REPLIES });
      if (turn !== this.turn) return;
      const fetched = top ? [top, ...page.messages] : page.messages;
      // What came live meanwhile continues the page, unless more than a page was said.
      const now = view.threadWindow.value;
      const joint = now ? now.messages.filter((m) => m.seq >= (page.messages[0]?.seq ?? 0)) : [];
      const w = windowOf(channel, root, mergeMessages(fetched, joint), page.more_before);
      view.threadWindow.value = now ? absorbReplies(w, root, joint) : w;
      view.threadLoadState.value = IDLE;
      this.people.needOf(fetched);
      // Replies raise the number under the root, also in the main window.
      if (top) await this.core.commit({ altered: page.messages.slice(-1) });
    } catch (err) {
      if (turn === this.turn) view.threadLoadState.value = { ...IDLE, open: "failed", problem: problemOf(err) };
    }
  }
}

function windowOf(channel: ChannelID, root: Seq, messages: readonly Message[], moreBefore: boolean): Window {
  const sorted = mergeMessages([], messages);
  return { channel, messages: sorted, ...replyBounds(sorted, root), moreBefore, moreAfter: false };
}
