// Sample data for working on views without a server: `npm run dev`, then open /?fixture (also &empty, &out, &offline).
// Never part of the built client: main imports it only in development.
import { batch } from "@preact/signals";
import { absorb, mergeMessages } from "../model/timeline";
import {
  asChannelID, asClientMsgID, asInviteID, asLoginID, asUserID, KIND_DIRECT, KIND_GROUP,
  type ChannelID, type InboxEntry, type Member, type Message, type OutboxRow, type Self, type User, type UserID,
} from "../model/types";
import { writeChannels } from "../state/channels";
import { writeLink } from "../state/link";
import { writeMe } from "../state/me";
import { writePeople } from "../state/people";
import { IDLE, writeTimeline } from "../state/timeline";
import { installCommands, type Commands } from "../sync/commands";
import { adminCommands } from "./admin";
import { settingsCommands } from "./settings";

const now = Date.now();
const min = 60_000;
const names: readonly [string, string, string][] = [
  ["1", "demo-1", "데모 하나"], ["2", "demo-2", "데모 둘"], ["3", "demo-3", "데모 셋"], ["4", "demo-4", "Demo Four"],
  ["5", "demo-5", "데모 다섯"], ["6", "데모-여섯", "데모 여섯"], ["7", "demo-7", "Demo Seven"], ["8", "build-bot", "빌드 알림"],
];
const users: readonly User[] = names.map(([id, login_name, display_name], i) => ({
  id: asUserID(id), login_name, display_name, avatar_color: (i * 5) % 12, status_line: i === 2 ? "회의 중" : "", ...(i === 7 ? { bot: true } : {}),
}));
const ME = asUserID("1");
const G = asChannelID("100");
const D = asChannelID("101");
let mid = 0;
const uuid = () => asClientMsgID(`00000000-0000-7000-8000-${String(++mid).padStart(12, "0")}`);

function message(channel: ChannelID, seq: number, sender: string, body: string, ago: number, more: Partial<Message> = {}): Message {
  return { channel, seq, n: seq, sender: asUserID(sender), client_msg_id: uuid(), body, at: now - ago * min, ...more };
}

const lines = [
  ["2", "다들 내일 회의 몇 시에 볼까요?"], ["3", "저는 10시가 좋아요"], ["3", "아니면 점심 먹고 1시도 괜찮아요 🙂"],
  ["1", "10시에 봬요"], ["4", "10 works for me. I'll bring the benchmark numbers."], ["5", "네! 자료는 제가 정리할게요"],
] as const;

const talk: Message[] = [
  message(G, 1, "2", "", 60 * 26, { kind: 1, n: 0, system: { event: "created", actor: asUserID("2") } }),
  message(G, 2, "2", "", 60 * 26, { kind: 1, n: 0, system: { event: "added", actor: asUserID("2"), users: [ME, asUserID("3"), asUserID("4"), asUserID("5")] } }),
];
for (let i = 0; i < 120; i++) {
  const line = lines[i % lines.length] as readonly [string, string];
  talk.push(message(G, 3 + i, line[0], i < 110 ? `${line[1]}${i > 6 ? ` (${i})` : ""}` : line[1], 60 * 25 - i * 12));
}
talk.push(
  message(G, 123, "2", "링고리 로그인 화면 시안이에요. 어떤가요?\nhttps://example.org/design/login", 14, {
    reactions: [{ emoji: "👍", users: [ME, asUserID("3"), asUserID("4")] }, { emoji: "❤️", users: [asUserID("5")] }],
    replies: { n: 3, last_seq: 128, last_at: now - 9 * min },
  }),
  message(G, 124, "3", "글자가 또렷해서 좋아요", 12, { reply_to: 123 }),
  message(G, 125, "1", "저도 좋아요. 여백만 조금 더 주면 어떨까요?", 11, { edited_at: now - 10 * min, change: 3 }),
  message(G, 126, "4", "Agreed, a little more air above the title.", 10, { thread: 123, thread_n: 1 }),
  message(G, 127, "2", "다음 시안에 반영할게요", 10, { thread: 123, thread_n: 2 }),
  message(G, 128, "1", "고마워요!", 9, { thread: 123, thread_n: 3 }),
  message(G, 129, "5", "", 8, { deleted: true, change: 4 }),
  message(G, 130, "4", Array.from({ length: 60 }, (_, i) => `${i + 1}. shard-${i % 4} ok, 0 lost, 0 doubled`).join("\n"), 7),
  message(G, 131, "3", "@데모 하나 확인해 주실 수 있나요?", 4, { mentions: [ME] }),
  message(G, 132, "8", "빌드 1204가 끝났어요. 테스트 1,480개 통과.", 4),
  message(G, 133, "3", "`gori up` 하면 바로 떠요. **정말** 빨라졌어요.", 3),
);
const direct: Message[] = [
  message(D, 1, "3", "안녕하세요!", 90), message(D, 2, "1", "안녕하세요 서연 님", 88), message(D, 3, "3", "점심 같이 드실래요?", 2),
];

const entry = (channel: ChannelID, more: Partial<InboxEntry>): InboxEntry => ({
  channel, kind: KIND_GROUP, member: true, pos: 1, last_seq: 1, last_n: 1, last_change: 0, last_at: now, read_seq: 1, read_n: 1,
  mentions: 0, level: 0, pinned: false, ...more,
});
const entries: readonly InboxEntry[] = [
  entry(G, { name: "제품 팀", last_seq: 133, last_n: 133, last_at: now - 3 * min, last_sender: asUserID("3"), preview: "`gori up` 하면 바로 떠요. **정말** 빨라졌어요.", read_seq: 130, read_n: 130, mentions: 1, pinned: true, threads: [{ root: 123, unread: 1, mentions: 0 }] }),
  entry(D, { kind: KIND_DIRECT, peer: asUserID("3"), last_seq: 3, last_n: 3, last_at: now - 2 * min, last_sender: asUserID("3"), preview: "점심 같이 드실래요?", read_seq: 2, read_n: 2 }),
  entry(asChannelID("102"), { kind: KIND_DIRECT, peer: asUserID("4"), last_at: now - 300 * min, last_sender: ME, preview: "See you tomorrow!" }),
  entry(asChannelID("103"), { name: "Weekend hikers 주말 등산", last_n: 120, read_n: 3, last_at: now - 1500 * min, last_sender: asUserID("7"), preview: "Photos from Bukhansan are up", level: 2 }),
  entry(asChannelID("104"), { kind: KIND_DIRECT, peer: asUserID("6"), last_at: now - 5000 * min, last_sender: asUserID("6"), preview: "네, 알겠습니다" }),
];
const members: readonly Member[] = [
  { user: ME, role: 2, joined_at: now, read_seq: 130 }, { user: asUserID("2"), role: 3, joined_at: now, read_seq: 132 },
  { user: asUserID("3"), role: 1, joined_at: now, read_seq: 132 }, { user: asUserID("4"), role: 1, joined_at: now, read_seq: 131 },
  { user: asUserID("5"), role: 1, joined_at: now, read_seq: 124 }, { user: asUserID("8"), role: 1, joined_at: now, read_seq: 133 },
];

const self: Self = { ...(users[0] as User), admin: true, lang: "" };

function show(id: ChannelID): void {
  const list = id === G ? talk : id === D ? direct : [];
  const from = list.length > 60 ? (list[list.length - 60]?.seq ?? 1) : 1;
  const messages = mergeMessages([], list.filter((m) => m.seq >= from));
  batch(() => {
    writeTimeline.openID.value = id;
    writeTimeline.current.value = { channel: id, messages, from, to: list.length ? (list[list.length - 1] as Message).seq : 0, moreBefore: from > 1, moreAfter: false };
    writeTimeline.lineAfter.value = entries.find((e) => e.channel === id && e.last_n > e.read_n)?.read_seq ?? 0;
    writeTimeline.loadState.value = IDLE;
  });
}

function alter(channel: ChannelID, seq: number, f: (m: Message) => Message): void {
  const w = writeTimeline.current.value;
  const old = w?.messages.find((m) => m.seq === seq);
  if (w && old && w.channel === channel) writeTimeline.current.value = absorb(w, [{ ...f(old), change: (old.change ?? 0) + 1 }]);
}

const commands: Commands = {
  login: async () => void (writeMe.auth.value = "in"),
  signup: async () => void (writeMe.auth.value = "in"),
  logout: async () => void (writeMe.auth.value = "out"),
  changePassword: async () => {},
  editProfile: async (e) => void (writeMe.self.value = { ...self, ...e } as Self),
  setAvatar: async () => {},
  listLogins: async () => [
    { id: asLoginID("1"), device_name: "Chrome · Linux", created_at: now - 9e8, last_used_at: now, current: true },
    { id: asLoginID("2"), device_name: "Safari · iPhone", created_at: now - 5e8, last_used_at: now - 36e5, current: false },
  ],
  revokeLogin: async () => {}, revokeOtherLogins: async () => {},
  openChannel: show,
  closeChannel: () => void (writeTimeline.openID.value = null),
  loadOlder: () => {
    const w = writeTimeline.current.value;
    if (!w || !w.moreBefore || w.channel !== G) return;
    const from = Math.max(1, w.from - 40);
    const more = talk.filter((m) => m.seq >= from && m.seq < w.from);
    setTimeout(() => void (writeTimeline.current.value = { ...w, messages: [...more, ...w.messages], from, moreBefore: from > 1 }), 300);
  },
  loadNewer: () => {}, jumpToEnd: () => {},
  jumpTo: (seq) => void (writeTimeline.jump.value = { seq, at: Date.now() }),
  jumpToDate: () => {},
  openThread: (root) => batch(() => {
    const replies = talk.filter((m) => m.thread === root);
    writeTimeline.threadRoot.value = root;
    writeTimeline.threadWindow.value = { channel: G, messages: replies, from: replies[0]?.seq ?? 1, to: replies[replies.length - 1]?.seq ?? 0, moreBefore: false, moreAfter: false };
  }),
  closeThread: () => void (writeTimeline.threadRoot.value = null),
  loadOlderReplies: () => {},
  sendMessage: (channel, draft) => {
    const row: OutboxRow = { ...draft, client_msg_id: uuid(), channel, order: Date.now(), made_at: Date.now(), state: draft.body.includes("fail") ? "failed" : "pending",
      ...(draft.body.includes("fail") ? { problem: { code: "too_long", message: "too long", retry: false } } : {}) };
    writeTimeline.outboxMap.value = new Map(writeTimeline.outboxMap.value).set(row.client_msg_id, row);
    if (row.state === "failed" || location.search.includes("offline")) return;
    setTimeout(() => {
      const w = writeTimeline.current.value;
      if (!w) return;
      const { reply_to, thread, mentions } = draft;
      const m = message(channel, w.to + 1, ME, draft.body, 0, { client_msg_id: row.client_msg_id, at: Date.now(), ...(reply_to ? { reply_to } : {}), ...(thread ? { thread } : {}), ...(mentions ? { mentions } : {}) });
      batch(() => {
        writeTimeline.current.value = absorb(w, [m]);
        const rest = new Map(writeTimeline.outboxMap.value);
        rest.delete(row.client_msg_id);
        writeTimeline.outboxMap.value = rest;
      });
    }, 600);
  },
  retry: () => {}, retryAll: () => {},
  discard: (id) => {
    const rest = new Map(writeTimeline.outboxMap.value);
    rest.delete(id);
    writeTimeline.outboxMap.value = rest;
  },
  editMessage: async (ch, seq, e) => alter(ch, seq, (m) => ({ ...m, body: e.body, edited_at: Date.now() })),
  deleteMessage: async (ch, seq) => alter(ch, seq, (m) => ({ ...m, body: "", deleted: true })),
  react: async (ch, seq, emoji) => alter(ch, seq, (m) => {
    const mine = m.reactions?.find((r) => r.emoji === emoji)?.users.includes(ME);
    const rest = (m.reactions ?? []).map((r) => r.emoji !== emoji ? r : { emoji, users: mine ? r.users.filter((u) => u !== ME) : [...r.users, ME] }).filter((r) => r.users.length > 0);
    return { ...m, reactions: rest.some((r) => r.emoji === emoji) || mine ? rest : [...rest, { emoji, users: [ME] }] };
  }),
  markRead: () => {}, sendTyping: () => {},
  saveDraft: (ch, text, thread = 0) => void (writeChannels.draftMap.value = new Map(writeChannels.draftMap.value).set(`${ch}/${thread}`, text)),
  startDirect: async () => D, createGroup: async () => G, rename: async () => {}, setLimit: async () => {},
  addMembers: async () => {}, removeMember: async () => {}, leave: async () => {}, setRole: async () => {}, setPreference: async () => {},
  refreshMembers: () => {},
  listInvites: async () => [{ id: asInviteID("9"), channel: G, created_by: ME, created_at: now, uses: 2, max_uses: 10 }],
  createInvite: async () => ({ id: asInviteID("10"), channel: G, code: "100.k3JmB2v9QpXw7LzR", created_by: ME, created_at: now, uses: 0 }),
  revokeInvite: async () => {}, previewInvite: async () => ({ channel: G, name: "제품 팀", member_count: 5 }), joinInvite: async () => G,
  searchPeople: async (p) => users.filter((u) => u.display_name.includes(p) || u.login_name.startsWith(p)),
  needPeople: () => {},
  askPresence: async () => [],
  befriend: async (user) => ({ user, state: "sent", since: now }), unfriend: async () => {}, block: async () => {}, unblock: async () => {},
  createSignupInvite: async () => ({ code: "x7Qp2kLm", expires_at: now + 7 * 864e5 }),
  reconnect: () => {},
  admin: async () => adminCommands(),
  ...settingsCommands(),
};

/** Fills the state; the search string of the page picks a variant. */
export function installFixture(search: string): void {
  installCommands(commands);
  const has = (w: string) => search.includes(w);
  batch(() => {
    writeMe.server.value = { signup: "open", name: "Gori", version: "dev" };
    writeMe.auth.value = has("out") ? "out" : "in";
    if (has("out")) return;
    writeMe.self.value = self;
    writeMe.login.value = asLoginID("1");
    writeLink.current.value = has("offline") ? { state: "waiting", since: now - 5000, retryAt: now + 9000, reason: "offline" } : { state: "live", since: now };
    writeLink.notLive.value = has("offline") ? now - 5000 : 0;
    if (has("empty")) return;
    writePeople.userMap.value = new Map(users.map((u) => [u.id, u]));
    writePeople.friendMap.value = new Map([
      [asUserID("3"), { user: asUserID("3"), state: "accepted", since: now }], [asUserID("4"), { user: asUserID("4"), state: "accepted", since: now }],
      [asUserID("7"), { user: asUserID("7"), state: "received", since: now }], [asUserID("6"), { user: asUserID("6"), state: "sent", since: now }],
    ]);
    writePeople.presenceMap.value = new Map(([["3", "online"], ["4", "away"], ["2", "online"]] as const).map(([id, state]) => [asUserID(id) as UserID, { user: asUserID(id), state }]));
    writePeople.typingList.value = [{ channel: G, thread: 0, user: asUserID("4"), until: now + 1e7 }];
    writeChannels.entryMap.value = new Map(entries.map((e) => [e.channel, e]));
    writeChannels.memberMap.value = new Map([[G, members]]);
    writeChannels.details.value = new Map([[G, { id: G, kind: KIND_GROUP, name: "제품 팀", created_at: now, last_seq: 133, last_n: 133, last_change: 4, member_count: 6, member_limit: 100, member_version: 2, role: 2 as const }]]);
    if (has("offline")) {
      const row = (body: string): OutboxRow => ({ client_msg_id: uuid(), channel: G, body, order: ++mid, made_at: now, state: "pending" });
      const list = [row("지하철이라 조금 늦게 갈 것 같아요"), row("먼저 시작해 주세요")];
      writeTimeline.outboxMap.value = new Map(list.map((r) => [r.client_msg_id, r]));
    }
  });
}
