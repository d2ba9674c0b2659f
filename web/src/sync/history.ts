// The open conversation: what the device has is shown in the first frame, then what is missing is fetched around it.
import { batch } from "@preact/signals";
import { loadCursor, loadMessages } from "../db/load";
import { FILL_MAX, rangeAt, topRange, type Cursor, type Range } from "../model/cursor";
import type { Effect } from "../model/patch";
import { problemOf } from "../model/problem";
import { absorb, indexOfSeq, mergeMessages, trim, type Window } from "../model/timeline";
import type { ChannelID, InboxEntry, Message, Millis, Seq } from "../model/types";
import { entries, writeChannels } from "../state/channels";
import { IDLE, writeTimeline as view, type Loading } from "../state/timeline";
import type { Core } from "./core";
import type { Gaps } from "./gaps";
import { fetchPage, PAGE, type ChannelQuery } from "./pages";
import type { People } from "./people";

const FIRST = 120;
const BEFORE_LINE = 30;

export class History {
  private readonly core: Core;
  private readonly gaps: Gaps;
  private readonly people: People;
  /** Raised with every opening: what an older one still fetches is not shown any more. */
  private turn = 0;
  /** The opening under way: a jump waits for it, else it would be taken back. */
  private opening: Promise<void> = Promise.resolve();

  constructor(core: Core, gaps: Gaps, people: People) {
    this.core = core;
    this.gaps = gaps;
    this.people = people;
  }

  async open(id: ChannelID): Promise<void> {
    const turn = ++this.turn;
    const entry = entries.value.get(id);
    const unread = entry ? entry.last_n > entry.read_n : false;
    batch(() => {
      view.openID.value = id;
      view.current.value = null;
      view.loadState.value = { ...IDLE, open: "loading" };
      view.lineAfter.value = unread && entry ? entry.read_seq : 0;
      view.jump.value = null;
    });
    await this.fill(turn, id, unread && entry ? entry.read_seq : 0);
  }

  close(): void {
    this.turn++;
  }

  /** The connection is back: what could not be loaded is tried again, and the window is brought to the end. */
  async refresh(): Promise<void> {
    const id = view.openID.value;
    if (!id) return;
    if (!view.current.value) return this.fill(this.turn, id, view.lineAfter.value);
    await this.gaps.fill(id);
  }

  async older(): Promise<void> {
    const w = view.current.value;
    if (!w || !w.moreBefore || view.loadState.value.older === "loading") return;
    await this.load("older", w, async (cursor) => {
      const r = rangeAt(cursor?.ranges ?? [], w.from);
      if (!r || r.from >= w.from) await fetchPage(this.core, w.channel, { before: w.from });
    });
  }

  async newer(): Promise<void> {
    const w = view.current.value;
    if (!w || !w.moreAfter || view.loadState.value.newer === "loading") return;
    await this.load("newer", w, async (cursor) => {
      const r = rangeAt(cursor?.ranges ?? [], w.to);
      if (!r || r.to <= w.to) await fetchPage(this.core, w.channel, { after: w.to });
    });
  }

  async toEnd(): Promise<void> {
    const w = view.current.value;
    const id = view.openID.value;
    if (!id) return;
    if (w && !w.moreAfter) return this.flash(w.to);
    const turn = this.turn;
    await this.seek(turn, id, {}, (page) => page[page.length - 1]?.seq);
  }

  async toSeq(seq: Seq): Promise<void> {
    const id = view.openID.value;
    if (!id || seq <= 0) return;
    await this.opening;
    const w = view.current.value;
    if (view.openID.value !== id) return;
    if (w && indexOfSeq(w.messages, seq) >= 0) return this.flash(seq);
    const turn = this.turn;
    const cursor = await loadCursor(this.core.keeper, id);
    if (turn !== this.turn) return;
    if (cursor && rangeAt(cursor.ranges, seq)) {
      await this.showAround(turn, id, seq);
      return this.flash(seq);
    }
    await this.seek(turn, id, { around: seq }, () => seq);
  }

  async toDate(at: Millis): Promise<void> {
    const id = view.openID.value;
    if (id) await this.seek(this.turn, id, { date: at }, (page) => page[0]?.seq);
  }

  /** A message by its seq, from the screen, the db or the server; for quotes and threads. */
  async one(channel: ChannelID, seq: Seq): Promise<Message | undefined> {
    const kept = await loadMessages(this.core.keeper, channel, seq, seq);
    if (kept[0]) return kept[0];
    const page = await this.core.api.messages(channel, { around: seq, limit: 1 });
    return page.messages.find((m) => m.seq === seq);
  }

  /** After any commit: people on the screen, and what has come to the db beyond the window's end. */
  noticed(e: Effect): void {
    const w = view.current.value;
    if (!w) return;
    if (e.messages.some((m) => m.channel === w.channel)) this.people.needOf(e.messages);
    const cursor = e.cursors.find((c) => c.channel === w.channel);
    const r = cursor && rangeAt(cursor.ranges, Math.max(w.to, 1));
    if (r && !w.moreAfter && r.to > w.to) void this.follow(this.turn, w.channel, r.to);
  }

  private async fill(turn: number, id: ChannelID, readSeq: Seq): Promise<void> {
    this.opening = this.first(turn, id, readSeq);
    await this.opening;
    if (turn === this.turn && view.loadState.value.open !== "failed") await this.gaps.fill(id);
  }

  /** The first window: of what is kept, else fetched. */
  private async first(turn: number, id: ChannelID, readSeq: Seq): Promise<void> {
    const cached = await this.showCached(turn, id, readSeq);
    if (turn !== this.turn) return;
    try {
      if (!cached) {
        await fetchPage(this.core, id, readSeq > 0 ? { around: readSeq, limit: 100 } : {});
        if (turn !== this.turn) return;
        await this.showCached(turn, id, readSeq, true);
      }
      this.set(turn, { ...view.loadState.value, open: "idle" });
    } catch (err) {
      this.set(turn, { ...view.loadState.value, open: cached ? "idle" : "failed", problem: problemOf(err) });
    }
  }

  /** Shows what the db has: at the first unread if there is any, else at the end. */
  private async showCached(turn: number, id: ChannelID, readSeq: Seq, fetched = false): Promise<boolean> {
    const cursor = await loadCursor(this.core.keeper, id);
    const top = cursor && topRange(cursor);
    if (!cursor || !top) return false;
    const run = firstRun(cursor.ranges, top, readSeq);
    // The first unread is not here: its surroundings are fetched once; should the server not have them, the end it is.
    if (!run && !fetched) return false;
    const { from, to } = run ?? { from: Math.max(top.from, top.to - FIRST + 1), to: top.to };
    await this.showRun(turn, id, from, to, cursor);
    return true;
  }

  private async showAround(turn: number, id: ChannelID, seq: Seq): Promise<void> {
    const cursor = await loadCursor(this.core.keeper, id);
    const r = cursor && rangeAt(cursor.ranges, seq);
    if (!cursor || !r) return;
    await this.showRun(turn, id, Math.max(r.from, seq - PAGE), Math.min(r.to, seq + PAGE), cursor);
  }

  private async showRun(turn: number, id: ChannelID, from: Seq, to: Seq, cursor: Cursor): Promise<void> {
    const messages = await loadMessages(this.core.keeper, id, from, to);
    if (turn !== this.turn) return;
    view.current.value = {
      channel: id, messages, from, to, moreBefore: from > Math.max(1, cursor.start), moreAfter: farFromEnd(cursor, to, writeChannels.entryMap.value.get(id)),
    };
    this.people.needOf(messages);
    await this.catchUp(turn, id);
  }

  /** What came to the db between reading it and showing it. */
  private async catchUp(turn: number, id: ChannelID): Promise<void> {
    const cursor = await loadCursor(this.core.keeper, id);
    const w = view.current.value;
    if (turn !== this.turn || !cursor || !w || w.channel !== id || w.moreAfter) return;
    const r = rangeAt(cursor.ranges, Math.max(w.to, 1));
    if (r && r.to > w.to) await this.follow(turn, id, r.to);
  }

  /** Fetches a page, shows the run around the place that `pick` names, and flashes it. */
  private async seek(turn: number, id: ChannelID, q: ChannelQuery, pick: (page: readonly Message[]) => Seq | undefined): Promise<void> {
    this.set(turn, { ...view.loadState.value, newer: "loading" });
    try {
      const { page } = await fetchPage(this.core, id, q);
      const seq = pick(page.messages);
      if (turn === this.turn && seq !== undefined) {
        await this.showAround(turn, id, seq);
        this.flash(seq);
      }
      this.set(turn, IDLE);
    } catch (err) {
      this.set(turn, { ...IDLE, newer: "failed", problem: problemOf(err) });
    }
  }

  private async load(side: "older" | "newer", w: Window, reach: (cursor: Cursor | undefined) => Promise<void>): Promise<void> {
    const turn = this.turn;
    this.set(turn, { ...view.loadState.value, [side]: "loading" });
    try {
      await reach(await loadCursor(this.core.keeper, w.channel));
      if (turn === this.turn) await this.extend(turn, w.channel, side);
      this.set(turn, { ...view.loadState.value, [side]: "idle" });
    } catch (err) {
      this.set(turn, { ...view.loadState.value, [side]: "failed", problem: problemOf(err) });
    }
  }

  /** Takes the next page of the db's run into the window, at one of its ends. */
  private async extend(turn: number, id: ChannelID, side: "older" | "newer"): Promise<void> {
    const before = view.current.value;
    const cursor = await loadCursor(this.core.keeper, id);
    if (!before || !cursor) return;
    const r = rangeAt(cursor.ranges, side === "older" ? before.from : before.to) ?? { from: before.from, to: before.to };
    const from = side === "older" ? Math.max(r.from, before.from - PAGE) : before.to + 1;
    const to = side === "older" ? before.from - 1 : Math.min(r.to, before.to + PAGE);
    const more = await loadMessages(this.core.keeper, id, from, to);
    const w = view.current.value;
    if (turn !== this.turn || !w || w.channel !== id) return;
    const messages = mergeMessages(w.messages, more);
    if (side === "older") {
      const low = Math.min(w.from, from);
      view.current.value = trim({ ...w, messages, from: low, moreBefore: low > Math.max(1, cursor.start) }, "older");
    } else {
      const high = Math.max(w.to, to);
      view.current.value = trim({ ...w, messages, to: high, moreAfter: farFromEnd(cursor, high, writeChannels.entryMap.value.get(id)) }, "newer");
    }
    this.people.needOf(more);
    if (side === "newer") await this.catchUp(turn, id);
  }

  /** The window stands at the end and the db has run ahead of it. */
  private async follow(turn: number, id: ChannelID, to: Seq): Promise<void> {
    const before = view.current.value;
    if (!before || before.channel !== id) return;
    const more = await loadMessages(this.core.keeper, id, before.to + 1, Math.min(to, before.to + FILL_MAX));
    const w = view.current.value;
    if (turn !== this.turn || !w || w.channel !== id) return;
    const next = absorb(w, more);
    if (next !== w) view.current.value = to - before.to > FILL_MAX ? { ...next, moreAfter: true } : next;
  }

  private flash(seq: Seq): void {
    view.jump.value = { seq, at: this.core.clock.now() };
  }

  private set(turn: number, l: Loading): void {
    if (turn === this.turn) view.loadState.value = l;
  }
}

/** The run to show first: around the first unread if that is far from the end, else the end. */
function firstRun(ranges: readonly Range[], top: Range, readSeq: Seq): Range | undefined {
  const end = { from: Math.max(top.from, top.to - FIRST + 1), to: top.to };
  if (readSeq <= 0 || readSeq >= top.to) return end;
  if (readSeq >= end.from) return { from: Math.max(top.from, Math.min(end.from, readSeq - BEFORE_LINE)), to: top.to };
  const r = rangeAt(ranges, readSeq);
  return r && { from: Math.max(r.from, readSeq - BEFORE_LINE), to: Math.min(r.to, readSeq + FIRST) };
}

/** Whether more than a small gap (which is being filled) lies between seq and the end. */
function farFromEnd(c: Cursor, seq: Seq, entry: InboxEntry | undefined): boolean {
  const top = topRange(c)?.to ?? 0;
  const last = Math.max(top, c.seen_seq, entry?.last_seq ?? 0);
  if (seq >= last) return false;
  return seq < top || last - seq > FILL_MAX;
}
