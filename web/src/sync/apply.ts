// Frames become patches. Frames that arrive while a transaction runs are taken together into the next one, so a burst
// costs few transactions.
import type { Resumed, ServerFrame } from "../model/frame";
import type { Ack, Mark, Patch, Typist } from "../model/patch";
import type { Channel, ChannelID, Friend, InboxEntry, Message, PresenceState, User, UserID } from "../model/types";
import type { Core } from "./core";

const FRIEND_STATES: readonly string[] = ["sent", "received", "accepted", "blocked"];

/** Everything some frames say, as one patch. Their order does not matter: merging goes by numbers. */
export function patchOf(frames: readonly ServerFrame[]): Patch {
  let pos = 0;
  const entries: InboxEntry[] = [];
  const live: Message[] = [];
  const altered: Message[] = [];
  const acks: Ack[] = [];
  const marks: Mark[] = [];
  const typing: Typist[] = [];
  const presence: PresenceState[] = [];
  const people: User[] = [];
  const friends: Friend[] = [];
  const unfriended: UserID[] = [];
  const channels: Channel[] = [];
  for (const f of frames) {
    switch (f.op) {
      case "msg": live.push(f.message); break;
      case "change": altered.push(f.message); break;
      case "ack": acks.push(f); break;
      case "inbox":
        pos = Math.max(pos, f.pos);
        entries.push(...f.entries);
        break;
      case "read": marks.push({ channel: f.channel, user: f.user, seq: f.seq, ...(f.thread ? { thread: f.thread } : {}) }); break;
      case "typing": typing.push({ channel: f.channel, user: f.user, thread: f.thread ?? 0 }); break;
      case "presence": presence.push(...f.states); break;
      case "user": people.push(f.user); break;
      case "friend":
        people.push(f.user);
        if (FRIEND_STATES.includes(f.friend.state)) friends.push(f.friend as Friend);
        else unfriended.push(f.friend.user);
        break;
      case "channel": channels.push(f.channel); break;
      case "resumed": case "nack": case "pong": break;
    }
  }
  const forget = forgotten(entries);
  return {
    ...(pos > 0 ? { pos } : {}), entries, live, altered, acks, marks, presence, people, friends, unfriended, channels,
    ...(typing.length > 0 ? { typing } : {}), ...(forget.length > 0 ? { forget } : {}), settleReads: true,
  };
}

/** Channels that the user is no longer in. */
export function forgotten(entries: readonly InboxEntry[]): readonly ChannelID[] {
  return entries.filter((e) => !e.member).map((e) => e.channel);
}

/** The answer to resume. */
export function resumedPatch(f: Resumed): Patch {
  const forget = forgotten(f.entries);
  return {
    me: f.me, login: f.login, limits: f.limits,
    // With more to come the pages carry the position on; else a crash between would skip them.
    ...(f.more ? {} : { pos: f.pos }),
    entries: f.entries, friends: f.friends, allFriends: true, people: f.people, presence: f.presence, allPresence: true,
    ...(forget.length > 0 ? { forget } : {}),
  };
}

export class Intake {
  private readonly core: Core;
  private readonly after: (frames: readonly ServerFrame[]) => void;
  private waiting: ServerFrame[] = [];
  private running: Promise<void> | null = null;
  private holding = false;
  private held = 0;

  /** `after` is told of frames once they are committed. */
  constructor(core: Core, after: (frames: readonly ServerFrame[]) => void) {
    this.core = core;
    this.after = after;
  }

  take(f: ServerFrame): void {
    this.waiting.push(f);
    this.running ??= this.apply();
  }

  /** Returns when all frames taken so far are committed, or have failed. */
  async settled(): Promise<void> {
    await this.running?.catch(() => {});
  }

  /** While pages of the inbox are missing a live frame must not move the position past them. */
  holdPos(): void {
    this.holding = true;
    this.held = 0;
  }

  async releasePos(): Promise<void> {
    this.holding = false;
    if (this.held > 0) await this.core.commit({ pos: this.held });
  }

  /** Resolves when everything taken so far is committed. */
  async idle(): Promise<void> {
    await this.running;
  }

  /** Turns what has arrived into one patch, commits it in one transaction, which then shows it. */
  private async apply(): Promise<void> {
    await Promise.resolve(); // frames of one read of the socket come together
    while (this.waiting.length > 0 && !this.core.closed) {
      const frames = this.waiting;
      this.waiting = [];
      try {
        await this.core.commit(this.positioned(patchOf(frames)));
        this.after(frames);
      } catch (err) {
        if (!this.core.closed) console.error("frames could not be taken in", err);
      }
    }
    this.running = null;
  }

  private positioned(p: Patch): Patch {
    if (!this.holding || p.pos === undefined) return p;
    const { pos, ...rest } = p;
    this.held = Math.max(this.held, pos);
    return rest;
  }
}
