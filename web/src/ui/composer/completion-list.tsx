import { useMemo, useRef, useState } from "preact/hooks";
import type { JSX, RefObject } from "preact";
import { t } from "../../i18n/index";
import type { ChannelID } from "../../model/types";
import { members } from "../../state/channels";
import { people } from "../../state/people";
import { Avatar } from "../kit/avatar";
import { askedAt, offersFor, type Offer } from "./completion";
import { candidates, hasEveryone } from "./mentions";

export interface CompletionState {
  readonly offers: readonly Offer[];
  readonly at: number;
  readonly pick: (i: number) => void;
  readonly setAt: (i: number) => void;
  /** True if the key was for the list. */
  readonly onKeyDown: (e: KeyboardEvent) => boolean;
  readonly onCompositionEnd: () => void;
  /** Looks again at what stands before the caret. */
  readonly look: () => void;
  readonly insert: (text: string) => void;
  readonly aria: Pick<JSX.AriaAttributes, "aria-autocomplete" | "aria-haspopup" | "aria-controls" | "aria-activedescendant">;
}

/** Offers names after @ and emoji after a colon, also while an input method composes the word. */
export function useCompletion(el: RefObject<HTMLTextAreaElement>, channel: ChannelID, text: string, change: (text: string) => void): CompletionState {
  const [caret, setCaret] = useState(0);
  const [at, setAt] = useState(0);
  const [closed, setClosed] = useState("");
  const waiting = useRef(-1);
  const asked = askedAt(text, Math.min(caret, text.length));
  const key = asked === undefined ? "" : `${asked.from}/${asked.query}`;
  const offers = useMemo(
    () => (asked === undefined || closed === key ? [] : offersFor(asked, candidates(channel), hasEveryone(channel), { all: t("mentionAll"), allHint: t("mentionAllHint") })),
    [key, closed, members.value, people.value],
  );
  const now = Math.min(at, Math.max(0, offers.length - 1));
  const replace = (from: number, to: number, insert: string): void => {
    const box = el.current;
    const live = box?.value ?? text;
    const next = live.slice(0, from) + insert + live.slice(to);
    change(next);
    setAt(0);
    const end = from + insert.length;
    setCaret(end);
    requestAnimationFrame(() => {
      box?.focus({ preventScroll: true });
      box?.setSelectionRange(end, end);
    });
  };
  const pick = (i: number): void => {
    const offer = offers[i];
    if (offer === undefined || asked === undefined) return;
    const to = el.current?.selectionEnd ?? asked.to;
    replace(asked.from, Math.max(asked.to, to), offer.insert);
  };
  const picking = useRef(pick);
  picking.current = pick;
  return {
    offers,
    at: now,
    pick,
    setAt,
    look: () => setCaret(el.current?.selectionEnd ?? 0),
    insert: (what) => replace(el.current?.selectionStart ?? text.length, el.current?.selectionEnd ?? text.length, what),
    aria: {
      "aria-autocomplete": "list",
      "aria-haspopup": "listbox",
      ...(offers.length > 0 ? { "aria-controls": "completions", "aria-activedescendant": `completion-${now}` } : {}),
    },
    onCompositionEnd: () => {
      const i = waiting.current;
      waiting.current = -1;
      if (i >= 0) setTimeout(() => picking.current(i), 0);
    },
    onKeyDown: (e) => {
      if (offers.length === 0) return false;
      // The last syllable may still be composing: the name is put in once it is settled.
      const choose = (i: number): void => (e.isComposing ? void (waiting.current = i) : pick(i));
      const taken = listKey(e, now, offers.length, { setAt, pick: choose, close: () => setClosed(key) });
      if (taken) {
        e.preventDefault();
        e.stopPropagation();
      }
      return taken;
    },
  };
}

interface ListActs {
  readonly setAt: (i: number) => void;
  readonly pick: (i: number) => void;
  readonly close: () => void;
}

function listKey(e: KeyboardEvent, now: number, length: number, acts: ListActs): boolean {
  // Some input methods name every key "Process" while they compose.
  switch (e.key === "Process" ? e.code : e.key) {
    case "ArrowDown":
      acts.setAt((now + 1) % length);
      return true;
    case "ArrowUp":
      acts.setAt((now + length - 1) % length);
      return true;
    case "Enter":
    case "Tab":
      if (e.shiftKey) return false;
      acts.pick(now);
      return true;
    case "Escape":
      acts.close();
      return true;
    default:
      return false;
  }
}

export function Completion({ of: state }: { of: CompletionState }) {
  if (state.offers.length === 0) return null;
  return (
    <ul class="completion" id="completions" role="listbox" aria-label={t("completions")}>
      {state.offers.map((offer, i) => (
        <li
          key={offer.key}
          id={`completion-${i}`}
          class="pick"
          role="option"
          aria-selected={i === state.at}
          onPointerMove={() => state.setAt(i)}
          onPointerDown={(e) => e.preventDefault()}
          onClick={() => state.pick(i)}
        >
          {offer.user !== undefined && <Avatar user={offer.user} size="xs" />}
          <span class={offer.emoji === undefined ? "" : "completion-emoji"}>{offer.label}</span>
          <span class="meta cut">{offer.hint}</span>
        </li>
      ))}
    </ul>
  );
}
